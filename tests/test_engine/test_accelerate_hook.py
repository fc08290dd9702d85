"""Runs with the hook against runs without: same weights, same detections, same files."""

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import Runner
from small_networks import Images, build, norms

from centernet_plugin.engine import AccelerateHook
from centernet_plugin.errors import UserInputError
from centernet_plugin.models import CenterNetTTA

EAGER = dict(backend='eager', fullgraph=True)


class Keep(BaseMetric):
    """Keeps the detections."""

    def __init__(self):
        super().__init__()
        self.found = []

    def process(self, data_batch, data_samples):
        self.found += [sample['pred_instances'] for sample in data_samples]
        self.results += data_samples

    def compute_metrics(self, results):
        return {}


class Watch(Hook):
    """Notes what is tested."""

    priority = 'VERY_LOW'

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.model = runner.model
        self.norms = norms(runner.model)
        kernel = next(p for p in runner.model.parameters() if p.dim() == 4)
        self.is_last = kernel.is_contiguous(memory_format=torch.channels_last)


def make(folder, *hooks, epochs=1, model=None, views=False, **settings):
    """A runner on a copy of the same model, and its metric."""

    def loader(**sampler):
        return dict(
            batch_size=2,
            num_workers=0,
            sampler=dict(type='DefaultSampler', **sampler),
            dataset=Images(views),
            collate_fn=dict(type='pseudo_collate'),
        )

    metric = Keep()
    runner = Runner(
        model=model or build('resnet'),
        work_dir=str(folder),
        train_dataloader=loader(shuffle=False),
        test_dataloader=loader(shuffle=False),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        test_cfg=dict(),
        test_evaluator=[metric],
        optim_wrapper=dict(
            optimizer=dict(type='SGD', lr=0.02, momentum=0.9), clip_grad=dict(max_norm=1.0)
        ),
        custom_hooks=list(hooks),
        default_hooks=dict(logger=None),
        default_scope='mmdet',
        log_level='ERROR',
        experiment_name=f'{folder.parent.name}-{folder.name}',
        **settings,
    )
    return runner, metric


def ema():
    return dict(type='EMAHook', momentum=0.1, update_buffers=True, priority=49)


@pytest.fixture(scope='module')
def slow(tmp_path_factory):
    """A run of two epochs without the hook, and what the test of its checkpoint finds."""
    folder = tmp_path_factory.mktemp('slow')
    make(folder / 'train', ema(), epochs=2)[0].train()
    checkpoint = str(folder / 'train' / 'epoch_2.pth')
    runner, metric = make(folder / 'test', load_from=checkpoint)
    runner.test()
    return checkpoint, metric.found


def test_trains_and_resumes_to_the_same_checkpoint(slow, tmp_path):
    hook = dict(type='centernet_plugin.AccelerateHook', compile=EAGER)
    runner, _ = make(tmp_path / 'first', hook, ema())
    runner.train()
    assert runner.model.backbone._compiled_call_impl is not None
    # Averaged weights too lie as the network wants them: the hook comes before the one of theirs.
    averaged = next(hook.ema_model for hook in runner.hooks if isinstance(hook, EMAHook))
    for kernel in (p for p in averaged.parameters() if p.dim() == 4):
        assert kernel.is_contiguous(memory_format=torch.channels_last)
    first = str(tmp_path / 'first' / 'epoch_1.pth')
    make(tmp_path / 'second', AccelerateHook(), ema(), epochs=2, load_from=first, resume=True)[
        0
    ].train()
    expected = torch.load(slow[0], weights_only=False)
    result = torch.load(tmp_path / 'second' / 'epoch_2.pth', weights_only=False)
    for key in ('state_dict', 'ema_state_dict'):
        assert list(result[key]) == list(expected[key])
        for name, value in expected[key].items():
            if value.dim() == 4:
                error = (result[key][name] - value).norm() / value.norm()
                assert error < 1e-3, name
    build('resnet').load_state_dict(result['state_dict'], strict=True)


@pytest.mark.parametrize('averaged', ['not', 'loaded', 'resumed'])
def test_a_test_is_of_a_folded_copy_with_the_same_detections(slow, tmp_path, averaged):
    checkpoint, expected = slow
    watch = Watch()
    hooks = [AccelerateHook(), watch] + [ema()] * (averaged != 'not')
    resume = averaged == 'resumed'
    runner, metric = make(tmp_path / 'test', *hooks, load_from=checkpoint, resume=resume)
    own = runner.model
    runner.test()
    assert watch.norms == 0 and watch.is_last and watch.model is not own
    assert runner.model is own
    _assert_same(metric.found, expected)
    # A file has the averaged weights in the place of the model's; who resumes swaps them back.
    content = torch.load(checkpoint, weights_only=False)
    weights = content['state_dict']
    if resume:
        weights = {name: content['ema_state_dict'][f'module.{name}'] for name in weights}
        assert not torch.equal(
            weights['backbone.conv1.weight'], content['state_dict']['backbone.conv1.weight']
        )
    for name, value in own.state_dict().items():
        torch.testing.assert_close(value, weights[name])


def test_switches(slow, tmp_path):
    watch = Watch()
    hook = AccelerateHook(channels_last=False, fold_batch_norm=False, dtype='bfloat16')
    runner, metric = make(tmp_path / 'bf16', hook, watch, load_from=slow[0])
    runner.test()
    assert watch.norms > 10 and not watch.is_last
    pairs = list(zip(metric.found, slow[1], strict=True))
    for found, expected in pairs:
        torch.testing.assert_close(found['scores'], expected['scores'], rtol=0, atol=0.05)
    assert any((found['scores'] != expected['scores']).any() for found, expected in pairs)


def test_mirrored_test(slow, tmp_path):
    found = []
    for hooks in ([], [AccelerateHook()]):
        model = CenterNetTTA(build('resnet'))
        weights = torch.load(slow[0], weights_only=False)['state_dict']
        model.module.load_state_dict(weights)
        watch = Watch()
        runner, metric = make(tmp_path / f'{len(hooks)}', *hooks, watch, model=model, views=True)
        runner.test()
        found.append(metric.found)
        assert (watch.norms == 0) == bool(hooks)
    _assert_same(found[1], found[0])
    assert any((a['scores'] != b['scores']).any() for a, b in zip(found[0], slow[1], strict=True))


def _assert_same(found, expected):
    assert len(found) == len(expected) == 4
    for one, other in zip(found, expected, strict=True):
        assert other['scores'].std() > 1e-3
        torch.testing.assert_close(one['scores'], other['scores'], rtol=0, atol=1e-4)
        gaps = (one['bboxes'][:20, None] - other['bboxes']).abs().amax(-1)
        assert (gaps.amin(1) < 1e-2).all()


def test_wrapped_models_are_tested_without_their_wrapper(tmp_path):
    from mmengine.model import MMDistributedDataParallel

    torch.distributed.init_process_group('gloo', f'file://{tmp_path}/meet', rank=0, world_size=1)
    try:
        model = MMDistributedDataParallel(build('resnet'), device_ids=None)
    finally:
        torch.distributed.destroy_process_group()

    class Run:
        pass

    run = Run()
    run.model, hook = model, AccelerateHook(compile=EAGER)
    hook.before_run(run)
    hook.before_train(run)
    assert list(model.state_dict()) == [f'module.{key}' for key in build('resnet').state_dict()]
    assert model.module.backbone._compiled_call_impl is not None
    hook.before_test_iter(run, 0)
    assert run.model.backbone._compiled_call_impl is not None
    assert norms(run.model) == 0 and run.model.bbox_head is not model.module.bbox_head
    tested = run.model
    hook.before_test_iter(run, 1)
    assert run.model is tested
    hook.after_test_epoch(run)
    assert run.model is model
    run.model = None
    hook.after_test_epoch(run)
    assert run.model is None, 'nothing was tested since'


def test_another_dtype_is_refused():
    with pytest.raises(UserInputError, match="dtype is one of .* got 'int8'"):
        AccelerateHook(dtype='int8')
