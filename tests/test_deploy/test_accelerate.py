import copy
import shutil

import cv2
import numpy as np
import pytest
import torch
from mmdet.apis import DetInferencer, inference_detector, init_detector
from mmdet.models.dense_heads import CenterNetHead as MMDetHead
from mmengine.config import Config
from small_networks import NETWORKS, build, model_config, noise, norms

from centernet_plugin.deploy import accelerate, compile_parts, use_channels_last
from centernet_plugin.errors import UserInputError
from centernet_plugin.models import CenterNetTTA
from centernet_plugin.models.functional.peaks import find_peaks

FAST = [dict(fold_batch_norm=False), dict(channels_last=False), dict()]


def is_last(tensor):
    return tensor.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize('name', NETWORKS)
def test_equal_maps(name):
    model, image = build(name).double(), noise(2, seed=1).double()
    fast = accelerate(copy.deepcopy(model))
    assert norms(fast) == 0 and is_last(fast.backbone.state_dict()[_first_kernel(fast)])
    with torch.no_grad():
        for old, new in zip(model(image), fast(image), strict=True):
            for key, value in old.items():
                assert new[key].dtype == torch.float64
                assert (new[key] - value).abs().max() <= 1e-11 * value.abs().max()


def test_other_heads_get_their_maps_in_the_usual_order():
    """mmdet's take views of them; ours takes them as they come, without a copy."""
    ours, image = build('resnet'), noise(1, seed=1)
    theirs = copy.deepcopy(ours)
    theirs.bbox_head = MMDetHead(8, 8, 3, test_cfg=dict(topk=5))
    for model, usual in ((ours, False), (theirs, True)):
        with torch.no_grad():
            maps = accelerate(model)(image)[0]
        (heatmap, *_) = maps.values() if isinstance(maps, dict) else maps
        assert heatmap.is_contiguous() is usual


def _first_kernel(model):
    return next(
        k for k, v in model.backbone.state_dict().items() if v.dim() == 4 and v.shape[1] > 1
    )


@pytest.mark.parametrize(
    # What random sampling positions make of rounding is large.
    ('name', 'limit'),
    [('resnet', 0.1), ('hourglass', 0.1), ('dla-dcn', 0.5)],
)
def test_bfloat16_gives_finite_maps_close_to_those_of_float32(name, limit):
    model, image = build(name), noise(2, seed=1)
    fast = accelerate(copy.deepcopy(model), dtype=torch.bfloat16)
    with torch.no_grad():
        for key, value in model(image)[-1].items():
            result = fast(image)[-1][key]
            assert result.dtype == torch.float32 and result.isfinite().all()
            error = (result - value).abs().max() / value.abs().max()
            assert 1e-5 < error < limit


@pytest.mark.parametrize(
    ('name', 'dtype'),
    [
        ('resnet', torch.bfloat16),
        ('resnet-dcn', None),
        ('resnet-dcn', torch.bfloat16),
        ('dla', None),
    ],
)
def test_each_part_compiles_without_a_break(name, dtype):
    model, image = build(name), noise(seed=1)
    with torch.no_grad():
        expected = model(image)[-1]
        fast = accelerate(model, compile=dict(backend='eager', fullgraph=True), dtype=dtype)
        assert all(part._compiled_call_impl for part in (fast.backbone, fast.bbox_head))
        for key, value in fast(image)[-1].items():
            limit = 0.15 if dtype else 1e-4
            assert (value - expected[key]).abs().max() <= limit * expected[key].abs().max()


def test_names_of_weights_stay_when_compiled_for_training():
    model = build('resnet-dcn').train()
    before = copy.deepcopy(model.state_dict())
    parameters = list(model.parameters())
    use_channels_last(model)
    compile_parts(model, dict(backend='eager'))
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert all(p is q for p, q in zip(parameters, model.parameters(), strict=True))
    use_channels_last(model)
    assert len(model.backbone._forward_pre_hooks) == 1


def test_training_with_channels_last_learns_the_same():
    gradients = []
    for change in (lambda model: None, use_channels_last):
        model = build('dla-dcn').double().train()
        change(model)
        sum(value.square().sum() for value in model(noise(2).double())[-1].values()).backward()
        gradients.append([p.grad for p in model.parameters()])
    assert is_last(gradients[1][0])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


def test_a_copy_of_an_accelerated_model_is_of_its_own():
    model = accelerate(build('resnet'), dtype=torch.bfloat16)
    other = copy.deepcopy(model)
    with torch.no_grad():
        expected = model(noise())[-1]['heatmap']
        for parameter in model.parameters():
            parameter.zero_()
        assert torch.equal(other(noise())[-1]['heatmap'], expected)


def test_compiling_needs_a_compiler(monkeypatch):
    model = build('resnet')
    monkeypatch.setattr(shutil, 'which', lambda name: None)
    monkeypatch.delenv('CXX', raising=False)
    with pytest.raises(UserInputError, match="needs a C.. compiler, and there is no 'g..' here"):
        compile_parts(model)
    monkeypatch.setenv('CXX', 'my-compiler')
    with pytest.raises(UserInputError, match='my-compiler'):
        accelerate(model, compile=True)
    with pytest.raises(UserInputError, match='my-compiler'):
        compile_parts(model, dict(backend='inductor', dynamic=True))
    compile_parts(model, dict(backend='eager'))


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
    """A config and a checkpoint with weights of its own."""
    folder = tmp_path_factory.mktemp('saved')
    model = build('resnet')
    keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'border')
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='centernet_plugin.KeepResPad', pad=31),
        dict(type='mmdet.PackDetInputs', meta_keys=keys),
    ]
    config = Config(
        dict(
            default_scope='mmdet',
            model=model_config('resnet', mean=[114.0] * 3, std=[64.0] * 3),
            test_dataloader=dict(dataset=dict(type='mmdet.CocoDataset', pipeline=pipeline)),
            visualizer=dict(type='mmdet.DetLocalVisualizer'),
        )
    )
    config.dump(folder / 'config.py')
    meta = dict(dataset_meta=dict(classes=('a', 'b', 'c'), palette=[(0, 0, 0)] * 3))
    torch.save(dict(meta=meta, state_dict=model.state_dict()), folder / 'weights.pth')
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / 'image.png'), cv2.resize(small, (110, 90)))
    return folder


@pytest.fixture
def detector(saved):
    return init_detector(str(saved / 'config.py'), str(saved / 'weights.pth'), device='cpu')


@pytest.mark.parametrize('switches', FAST)
def test_same_detections(saved, detector, switches):
    image = str(saved / 'image.png')
    expected = inference_detector(detector, image).pred_instances
    assert accelerate(detector, **switches) is detector
    result = inference_detector(detector, image).pred_instances
    assert len(expected) == 100 and expected.scores.std() > 0.01
    _assert_same(result, expected)


def test_same_detections_of_the_inferencer(saved):
    inferencer = DetInferencer(str(saved / 'config.py'), str(saved / 'weights.pth'), device='cpu')
    image, quiet = str(saved / 'image.png'), dict(no_save_vis=True, return_datasamples=True)
    expected = inferencer(image, **quiet)['predictions'][0].pred_instances
    accelerate(inferencer.model)
    result = inferencer(image, **quiet)['predictions'][0].pred_instances
    assert norms(inferencer.model) == 0
    _assert_same(result, expected)


def test_same_detections_of_a_mirrored_test(saved, detector):
    image = torch.from_numpy(cv2.imread(str(saved / 'image.png'))).permute(2, 0, 1)
    meta = dict(img_shape=(90, 110), ori_shape=(90, 110), scale_factor=(1.0, 1.0))

    def detect(model):
        from mmdet.structures import DetDataSample

        views = dict(inputs=[[image]], data_samples=[[DetDataSample(metainfo=meta)]])
        return model.test_step(views)[0].pred_instances

    model = CenterNetTTA(detector)
    expected = detect(model)
    assert norms(accelerate(model)) == 0
    _assert_same(detect(model), expected)


def test_a_model_that_is_training_is_taken():
    model = accelerate(build('resnet').train())
    assert norms(model) == 0 and not any(module.training for module in model.modules())


def test_close_detections_in_bfloat16(saved, detector):
    image = str(saved / 'image.png')
    expected = inference_detector(detector, image).pred_instances
    result = inference_detector(accelerate(detector, dtype=torch.bfloat16), image).pred_instances
    assert result.bboxes.dtype == result.scores.dtype == torch.float32
    assert result.bboxes.isfinite().all()
    error = (result.scores - expected.scores).abs().max()
    assert 1e-6 < error < 0.02
    # The order may differ; most of the best are there, where they were.
    gaps = torch.cdist(expected.bboxes[:20], result.bboxes)
    assert (gaps.amin(1) < 2).float().mean() > 0.9


def _assert_same(result, expected):
    assert torch.equal(result.labels, expected.labels)
    torch.testing.assert_close(result.scores, expected.scores, rtol=0, atol=1e-5)
    torch.testing.assert_close(result.bboxes, expected.bboxes, rtol=0, atol=1e-3)


def test_find_peaks_takes_maps_in_any_order():
    heat = torch.randn(2, 3, 8, 9)
    last = heat.contiguous(memory_format=torch.channels_last)
    for one, other in zip(find_peaks(heat, 20), find_peaks(last, 20), strict=True):
        assert torch.equal(one, other)
