"""Normalisation, against mmdet's of images that have their colours already."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.structures import InstanceData

from centernet_plugin.models import DataPreprocessor

STATISTICS = dict(mean=[104.0, 114.0, 120.0], std=[73.6, 69.9, 70.9])
SIZES = [(5, 9), (1, 1), (32, 16), (8, 8)]
AUGMENT = dict(type='mmdet.BatchFixedSizePad', size=(96, 96), img_pad_value=5)


def sample(matrix=None):
    instances = InstanceData(bboxes=HorizontalBoxes([[0.0, 0, 2, 2]]), labels=torch.tensor([1]))
    meta = {} if matrix is None else dict(color_matrix=matrix)
    return DetDataSample(metainfo=dict(img_shape=(2, 2)) | meta, gt_instances=instances)


def image(size, dtype=torch.uint8, channels=3):
    return torch.randint(0, 256, (channels, *size), dtype=torch.uint8).to(dtype)


def matrix(rng):
    return rng.normal([1, 0, 0, 20], 0.5, (3, 4)).astype(np.float32)


def both(data, training=True, **options):
    """Results of mmdet's class and of ours."""
    return [
        MODELS.build(dict(type=kind, **options))(deepcopy(data), training)
        for kind in ('mmdet.DetDataPreprocessor', 'centernet_plugin.DataPreprocessor')
    ]


def assert_equal(stock, ours):
    assert ours['inputs'].dtype == stock['inputs'].dtype
    assert torch.equal(ours['inputs'], stock['inputs'])
    if stock['data_samples'] is None:
        assert ours['data_samples'] is None
        return
    for one, other in zip(ours['data_samples'], stock['data_samples'], strict=True):
        assert one.metainfo == other.metainfo
        assert torch.equal(one.gt_instances.bboxes, other.gt_instances.bboxes)


@pytest.mark.parametrize(
    'options',
    [
        {},
        STATISTICS,
        STATISTICS | dict(bgr_to_rgb=True),
        dict(rgb_to_bgr=True, pad_size_divisor=32),
        STATISTICS | dict(pad_size_divisor=32, pad_value=7),
        dict(mean=[100.0], std=[50.0], pad_size_divisor=8),
        STATISTICS | dict(batch_augments=[AUGMENT], pad_size_divisor=32),
    ],
    ids=str,
)
@pytest.mark.parametrize('sizes', [SIZES, [(32, 64)] * 3, [(1, 1)], [(5, 7)] * 2], ids=str)
@pytest.mark.parametrize('dtype', [torch.uint8, torch.float32, torch.float64, torch.float16])
def test_is_mmdets_without_colours(sizes, options, dtype):
    torch.manual_seed(0)
    data = dict(
        inputs=[image(size, dtype) for size in sizes], data_samples=[sample() for _ in sizes]
    )
    assert_equal(*both(data, **options))
    if len(set(sizes)) == 1:  # as default_collate gives them
        data['inputs'] = torch.stack(data['inputs'])
        before = data['inputs'].clone()
        assert_equal(*both(data, **options))
        MODELS.build(dict(type='centernet_plugin.DataPreprocessor', **options))(data)
        assert torch.equal(data['inputs'], before)


def test_is_mmdets_of_other_kinds_of_images():
    torch.manual_seed(0)
    gray = [image(size, channels=1) for size in SIZES]
    assert_equal(*both(dict(inputs=gray), mean=[100.0], std=[50.0]))
    mixed = [image((4, 4)), image((4, 4), torch.float32) / 3]
    assert_equal(*both(dict(inputs=mixed), training=False, **STATISTICS))
    with pytest.raises(ValueError, match='1 channels'):
        DataPreprocessor(**STATISTICS)(dict(inputs=gray))


def reference(images, matrices, **options):
    """Colours image by image in float64, and mmdet's preprocessor behind them."""
    done = []
    for pixels, change in zip(images, matrices, strict=True):
        pixels = pixels.double()
        if change is not None:
            change = torch.from_numpy(change).double()
            pixels = torch.einsum('ij,jhw->ihw', change[:, :3], pixels) + change[:, 3, None, None]
        done.append(pixels)
    return MODELS.build(dict(type='mmdet.DetDataPreprocessor', **options))(dict(inputs=done))


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=1, max_size=4)
    | st.integers(1, 3).map(lambda n: [(8, 6)] * n),
    colored=st.lists(st.booleans(), min_size=4, max_size=4),
    floats=st.lists(st.booleans(), min_size=4, max_size=4),
    normalised=st.booleans(),
    bgr_to_rgb=st.booleans(),
    divisor=st.sampled_from([1, 8]),
    pad_value=st.sampled_from([0, 3]),
    seed=st.integers(0, 99),
)
def test_colours_are_applied_before_all_else(
    sizes, colored, floats, normalised, bgr_to_rgb, divisor, pad_value, seed
):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    images = [
        image(size, torch.float32 if is_float else torch.uint8)
        for size, is_float in zip(sizes, floats, strict=False)
    ]
    matrices = [matrix(rng) if colored[i] else None for i in range(len(images))]
    options = dict(bgr_to_rgb=bgr_to_rgb, pad_size_divisor=divisor, pad_value=pad_value)
    options |= STATISTICS if normalised else {}
    data = dict(inputs=images, data_samples=[sample(change) for change in matrices])
    got = DataPreprocessor(**options)(data, training=True)
    expected = reference(images, matrices, **options)['inputs']
    assert got['inputs'].dtype == torch.float32
    tolerance = 1e-5 if normalised else 1e-3
    torch.testing.assert_close(got['inputs'], expected, atol=tolerance, rtol=1e-5)
    assert not any('color_matrix' in sample for sample in got['data_samples'])
    kept = [s for s in data['data_samples'] if 'color_matrix' in s]
    assert len(kept) == sum(m is not None for m in matrices), 'the batch itself is left as it was'


def test_the_batch_may_come_as_one_tensor():
    rng = np.random.default_rng(0)
    images, matrices = torch.stack([image((6, 5)) for _ in range(3)]), [matrix(rng), None] * 2
    data = dict(inputs=images, data_samples=[sample(change) for change in matrices[:3]])
    got = DataPreprocessor(**STATISTICS)(data)['inputs']
    torch.testing.assert_close(
        got, reference(list(images), matrices[:3], **STATISTICS)['inputs'], atol=1e-5, rtol=1e-5
    )


def test_autocast_does_not_round_colours():
    rng = np.random.default_rng(0)
    data = dict(inputs=[image((6, 5))], data_samples=[sample(matrix(rng))])
    model = DataPreprocessor(**STATISTICS)
    exact = model(data)['inputs']
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(model(data)['inputs'], exact)


def test_the_devices_path_gives_the_same(monkeypatch):
    """All at once, as on other devices than the CPU."""
    from centernet_plugin.models.data_preprocessors import data_preprocessor as module

    rng = np.random.default_rng(0)
    data = dict(
        inputs=[image(size) for size in SIZES], data_samples=[sample(matrix(rng)) for _ in SIZES]
    )
    plain = dict(inputs=data['inputs'])
    model = DataPreprocessor(**STATISTICS)
    expected = model(data)['inputs'], model(plain)['inputs']
    monkeypatch.setattr(module, '_parts', lambda batch: (batch,))
    assert torch.equal(model(data)['inputs'], expected[0])
    assert torch.equal(model(plain)['inputs'], expected[1])
