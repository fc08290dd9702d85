import pickle

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS, TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.dataset import pseudo_collate

from centernet_plugin.datasets.transforms import PackDetInputs, PaperColorJitter
from centernet_plugin.datasets.transforms.pack_det_inputs import colored
from centernet_plugin.errors import UserInputError

META_KEYS = ('img_path', 'img_shape')


def results(height=7, width=10):
    rng = np.random.default_rng(0)
    return dict(
        img=rng.integers(0, 256, (height, width, 3), dtype=np.uint8),
        img_path='a.jpg',
        img_shape=(height, width),
        ori_shape=(height, width),
        gt_bboxes=HorizontalBoxes(np.array([[1, 2, 5, 6], [0, 0, 3, 3]], np.float32)),
        gt_bboxes_labels=np.array([3, 4]),
        gt_ignore_flags=np.array([False, True]),
    )


def pack(data):
    return PackDetInputs(meta_keys=META_KEYS)(data)


def jitter(seed=0, **options):
    np.random.seed(seed)
    return PaperColorJitter(**options)


@pytest.mark.parametrize('on_device', [False, True])
def test_packs_what_mmdet_packs(on_device):
    ours = pack(jitter(on_device=True)(results()) if on_device else results())
    stock = TRANSFORMS.build(dict(type='mmdet.PackDetInputs', meta_keys=META_KEYS))(results())
    assert torch.equal(ours['inputs'], stock['inputs']) and ours['inputs'].dtype == torch.uint8
    assert ours['inputs'].is_contiguous()
    meta = dict(ours['data_samples'].metainfo)
    assert ('color_matrix' in meta) is on_device
    meta.pop('color_matrix', None)
    assert meta == stock['data_samples'].metainfo
    for key in ('gt_instances', 'ignored_instances'):
        one, other = ours['data_samples'].get(key), stock['data_samples'].get(key)
        assert torch.equal(one.bboxes.tensor, other.bboxes.tensor)
        assert torch.equal(one.labels, other.labels)


def test_the_matrix_reaches_another_process():
    sample = pack(jitter(on_device=True)(results()))['data_samples']
    matrix = sample.color_matrix
    for copy in (pickle.loads(pickle.dumps(sample)), sample.to('cpu'), sample.clone()):
        np.testing.assert_array_equal(copy.color_matrix, matrix)
        with pytest.raises(UserInputError):
            copy.set_metainfo(dict(pad_shape=(32, 32)))


@pytest.mark.parametrize('mean', [None, [104.0, 114.0, 120.0]])
def test_mmdets_preprocessor_does_not_drop_the_colours_silently(mean):
    model = MODELS.build(dict(type='mmdet.DetDataPreprocessor', mean=mean, std=mean))
    batch = pseudo_collate([pack(jitter(on_device=True)(results()))])
    with pytest.raises(UserInputError, match='centernet_plugin.DataPreprocessor'):
        model(batch, training=True)
    ours = MODELS.build(dict(type='centernet_plugin.DataPreprocessor', mean=mean, std=mean))
    ours(batch, training=True)


@pytest.mark.parametrize('on_device', [False, True])
def test_colours_to_look_at(on_device):
    """Also of what is not jittered on the device."""
    expected = jitter()(results())['img'].transpose(2, 0, 1)
    packed = pack(jitter(on_device=on_device)(results()))
    got = colored(packed['inputs'].numpy(), packed['data_samples'])
    np.testing.assert_allclose(got, expected, atol=1e-3)
