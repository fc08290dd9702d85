"""Two processes are one process with their images: losses, weights and AP, from the launcher on."""

import json
import os
import sys

import pytest
import torch

from .conftest import ROOT, free_port, run_process

pytestmark = pytest.mark.door

HOOK = '''
"""Batch norms that stay as they are, and the losses of every process in a file."""

import json
import os

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class Recorder(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        for module in runner.model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        images = [sample.img_id for sample in data_batch['data_samples']]
        losses = {name: value.item() for name, value in outputs.items()}
        with open(f"{runner.work_dir}/{os.environ.get('RANK', '0')}.jsonl", 'a') as file:
            file.write(json.dumps(dict(images=images, losses=losses)) + chr(10))
'''
CHANGES = """
custom_imports['imports'].append('recorder')
custom_hooks = [dict(type='Recorder')]
load_from = {learnt!r}
test_pipeline[1] = dict(type='centernet_plugin.FixResAffine', size=(64, 64))
train_dataloader.update(batch_size={batch})
default_hooks['sampler_seed'] = dict(type='centernet_plugin.SeedHook')  # the same crops
model.update(train_cfg=dict(sync_num_pos={sync}))
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1e-3, momentum=0.9))
train_cfg.update(max_epochs=3, val_interval=3)
randomness = dict(seed=3)
"""


@pytest.fixture(scope='session')
def uneven_root(data_root, tmp_path_factory) -> str:
    """The tiny set with 1, 3, 0 and 3 objects in its images."""
    annotations = json.loads(open(data_root + 'annotations.json').read())
    keep = {0: 1, 1: 3, 2: 0, 3: 3}
    chosen, count = [], {}
    for annotation in annotations['annotations']:
        image = annotation['image_id']
        count[image] = count.get(image, 0) + 1
        if count[image] <= keep[image]:
            chosen.append(annotation)
    annotations['annotations'] = chosen
    path = tmp_path_factory.mktemp('uneven') / 'uneven.json'
    path.write_text(json.dumps(annotations))
    return str(path)


@pytest.fixture(scope='session')
def learnt(write_config, tmp_path_factory) -> str:
    """A checkpoint that detects on the tiny set, so that there is an AP to compare."""
    changes = """
test_pipeline[1] = dict(type='centernet_plugin.FixResAffine', size=(64, 64))
train_pipeline[2] = dict(type='centernet_plugin.FixResAffine', size=(64, 64))
train_dataloader.update(batch_size=4)
optim_wrapper.update(optimizer=dict(type='Adam', lr=5e-3))
train_cfg.update(max_epochs=120, val_interval=120)
default_hooks['checkpoint'].update(interval=120)
randomness = dict(seed=0)
"""
    folder = tmp_path_factory.mktemp('learnt')
    run_process(sys.executable, ROOT / 'tools/train.py', write_config('a', changes), cwd=folder)
    return str(folder / 'work_dirs/a/epoch_120.pth')


@pytest.fixture
def train(run, write_config, uneven_root, learnt, tmp_path):
    """Trains by one process or by two; gives losses of each process, weights, and validations."""
    (tmp_path / 'recorder.py').write_text(HOOK)

    def train(processes: int, sync: bool = True):
        batch = 4 // processes
        config = write_config(
            changes=CHANGES.format(batch=batch, sync=sync, learnt=learnt)
            + f"train_dataloader['dataset'].update(ann_file={uneven_root!r}, "
            'filter_cfg=dict(filter_empty_gt=False))\n'
        )
        work_dir = tmp_path / f'{processes} {sync}'
        script = [sys.executable, ROOT / 'tools/train.py']
        if processes > 1:
            script = ['bash', ROOT / 'tools/dist_train.sh']
        command = [*script, config, *([processes] if processes > 1 else [])]
        path = os.pathsep.join([str(tmp_path), str(ROOT)])
        variables = dict(PYTHON=sys.executable, PORT=str(free_port()), PYTHONPATH=path)
        run(*command, '--work-dir', work_dir, **variables)
        records = [
            [json.loads(line) for line in (work_dir / f'{rank}.jsonl').read_text().splitlines()]
            for rank in range(processes)
        ]
        weights = torch.load(work_dir / 'epoch_3.pth', weights_only=False)['state_dict']
        scalars = (next(work_dir.glob('*/vis_data')) / 'scalars.json').read_text().splitlines()
        logged = [json.loads(line) for line in scalars if 'bbox_mAP' in line]
        aps = [{k: v for k, v in line.items() if k.startswith('coco/')} for line in logged]
        return records, weights, aps

    return train


def test_two_processes_learn_what_one_learns_from_the_doubled_batch(train):
    (alone,), weights, (ap,) = train(1)
    both, shared_weights, (shared_ap,) = train(2)
    assert [sorted(r['images']) for r in alone] == [
        sorted(a['images'] + b['images']) for a, b in zip(*both, strict=True)
    ]
    for one, *parts in zip(alone, *both, strict=True):
        for name, value in one['losses'].items():
            mean = sum(part['losses'][name] for part in parts) / 2
            assert mean == pytest.approx(value, rel=1e-4), name
        # Not because both have the same objects.
        assert parts[0]['losses']['loss'] != pytest.approx(parts[1]['losses']['loss'], rel=0.05)
    for name, value in weights.items():
        torch.testing.assert_close(shared_weights[name], value, rtol=1e-4, atol=1e-6, msg=name)
    assert ap['coco/bbox_mAP'] > 0.3
    assert shared_ap == pytest.approx(ap, abs=1e-3, nan_ok=True)


@pytest.mark.slow
def test_each_process_counts_its_own_objects_as_published(train):
    """Without ``sync_num_pos`` the gradient is another one, so the test above could fail."""
    (alone,), *_ = train(1, sync=False)
    both, *_ = train(2, sync=False)
    last = [sum(r[-1]['losses']['loss'] for r in both) / 2, alone[-1]['losses']['loss']]
    assert last[0] != pytest.approx(last[1], rel=1e-3)
