"""Whatever pipeline places the image in the input, detections come back to where they were."""

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import TRANSFORMS

from centernet_plugin.models import CenterNetHead

KEYS = ('img_path', 'ori_shape', 'img_shape', 'scale_factor', 'border')
STATISTICS = dict(mean=[0, 0, 0], std=[1, 1, 1], to_rgb=True)
PIPELINES = {
    'keep_res': [dict(type='centernet_plugin.KeepResPad')],
    'fix_res': [dict(type='centernet_plugin.FixResAffine', size=(256, 256))],
    'resize': [dict(type='mmdet.Resize', scale=(300, 300), keep_ratio=True)],
    'resize_stretched': [dict(type='mmdet.Resize', scale=(256, 320), keep_ratio=False)],
    'resize_pad': [
        dict(type='mmdet.Resize', scale=(300, 300), keep_ratio=True),
        dict(type='mmdet.Pad', size_divisor=64),
    ],
    'pad_resize': [
        dict(type='mmdet.Pad', size_divisor=64),
        dict(type='mmdet.Resize', scale=(300, 300), keep_ratio=True),
    ],
    'resize_keep_res': [
        dict(type='mmdet.Resize', scale_factor=1.5, keep_ratio=True),
        dict(type='centernet_plugin.KeepResPad'),
    ],
    'mmdet_centernet': [
        dict(
            type='mmdet.RandomCenterCropPad',
            ratios=None,
            border=None,
            test_mode=True,
            test_pad_mode=['logical_or', 31],
            test_pad_add_pix=1,
            **STATISTICS,
        )
    ],
    'nothing': [],
}
SPOT = np.array([140.0, 96.0])  # centre (x, y) of a bright square


@pytest.mark.parametrize('name', PIPELINES)
def test_a_spot_is_found_where_it_was(name, tmp_path):
    image = np.zeros((150, 203, 3), np.uint8)
    x, y = SPOT.astype(int)
    image[y - 8 : y + 8, x - 8 : x + 8] = 255
    cv2.imwrite(str(tmp_path / 'spot.png'), image)
    results = dict(img_path=str(tmp_path / 'spot.png'), img_id=0)
    steps = [dict(type='LoadImageFromFile', to_float32=True)] + PIPELINES[name]
    for step in steps + [dict(type='mmdet.PackDetInputs', meta_keys=KEYS)]:
        results = TRANSFORMS.build(step)(results)
    tensor = results['inputs'].float()
    height, width = tensor.shape[1] // 4, tensor.shape[2] // 4

    # A perfect network: the peak and its offset come from the input's own bright square.
    v, u = (tensor[0] > 128).nonzero(as_tuple=True)
    center = torch.stack([u.float().mean() + 0.5, v.float().mean() + 0.5]) / 4
    cell = center.long()
    heatmap = torch.full((1, 1, height, width), -9.0)
    heatmap[0, 0, cell[1], cell[0]] = 9
    extent = torch.stack([u.max() - u.min() + 1, v.max() - v.min() + 1]) / 4
    maps = dict(
        heatmap=heatmap,
        size=extent.view(1, 2, 1, 1).expand(1, 2, height, width),
        offset=(center - cell).view(1, 2, 1, 1).expand(1, 2, height, width),
    )
    head = CenterNetHead(num_classes=1, in_channels=1, test_cfg=dict(max_per_img=1))
    (found,) = head.predict_by_feat((maps,), [results['data_samples'].metainfo], rescale=True)
    expected = np.concatenate([SPOT - 8, SPOT + 8])
    # Resampling blurs the square's edge by a pixel of the input.
    np.testing.assert_allclose(found.bboxes[0].numpy(), expected, atol=1.0)


def test_mmdet_training_pipeline_trains(tmp_path):
    """mmdet's own CenterNet augmentation feeds our head."""
    cv2.imwrite(str(tmp_path / 'a.png'), np.full((120, 160, 3), 90, np.uint8))
    results = dict(
        img_path=str(tmp_path / 'a.png'),
        img_id=0,
        instances=[dict(bbox=[30, 30, 90, 90], bbox_label=0, ignore_flag=0)],
    )
    np.random.seed(0)
    for step in [
        dict(type='LoadImageFromFile', to_float32=True),
        dict(type='mmdet.LoadAnnotations', with_bbox=True),
        dict(type='mmdet.PhotoMetricDistortion'),
        dict(
            type='mmdet.RandomCenterCropPad',
            crop_size=(128, 128),
            ratios=(0.9, 1.0, 1.1),
            border=32,
            test_pad_mode=None,
            **STATISTICS,
        ),
        dict(type='mmdet.Resize', scale=(128, 128), keep_ratio=True),
        dict(type='mmdet.RandomFlip', prob=0.5),
        dict(type='mmdet.PackDetInputs'),
    ]:
        results = TRANSFORMS.build(step)(results)
    head = CenterNetHead(num_classes=1, in_channels=2)
    losses = head.loss((torch.randn(1, 2, 32, 32),), [results['data_samples']])
    assert all(loss.isfinite() and loss > 0 for loss in losses.values())
