"""Images from one pixel to panoramas through every way of training and testing."""

import random

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import init_default_scope
from small_detectors import detector

MANY = [pytest.param(30, id='quick'), pytest.param(1000, marks=pytest.mark.slow, id='many')]
META = ('img_id', 'ori_shape', 'img_shape', 'scale_factor', 'border', 'flip', 'flip_direction')
PLACEMENTS = [
    dict(type='centernet_plugin.KeepResPad', pad=31),
    dict(type='centernet_plugin.KeepResPad', pad=31, scale=0.37),
    dict(type='centernet_plugin.FixResAffine', size=(96, 64)),
    dict(type='centernet_plugin.FixResAffine', size=(96, 64), fit='width'),
    dict(type='mmdet.Resize', scale=(96, 64), keep_ratio=True),
    dict(type='centernet_plugin.RandomCropAffine', size=(64, 96)),
    dict(type='centernet_plugin.RandomCropAffine', size=(64, 64), rotate=30, rotate_prob=1.0),
    dict(type='centernet_plugin.RandomCropAffine', size=(64, 64), resample='resize'),
    dict(type='centernet_plugin.RandomShiftScaleAffine', size=(96, 64)),
]  # fmt: skip
SHAPES = [(1, 1), (1, 700), (700, 1), (2, 3), (17, 900), (333, 31), (64, 64), (480, 640)]


def image_and_boxes(rng: random.Random) -> dict:
    height, width = rng.choice(SHAPES)
    generator = np.random.default_rng(rng.randrange(2**31))
    instances = []
    for _ in range(rng.randrange(5)):
        x, y = generator.uniform(0, [width, height])
        w, h = generator.uniform(0, [width, height]) * rng.choice((1e-3, 0.2, 1))
        box = [x, y, min(x + w, width), min(y + h, height)]
        instances.append(dict(bbox=box, bbox_label=rng.randrange(3), ignore_flag=rng.randrange(2)))
    image = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return dict(
        img=image, img_id=0, img_path='', height=height, width=width, instances=instances,
        ori_shape=(height, width), img_shape=(height, width),
    )  # fmt: skip


@pytest.mark.parametrize('count', MANY)
@pytest.mark.parametrize('place', PLACEMENTS, ids=lambda p: '-'.join(map(str, p.values()))[17:60])
def test_images(tried, place, count):
    init_default_scope('mmdet')
    rng, model = random.Random(0), detector('resnet')
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    pipeline = Compose(
        [
            dict(type='centernet_plugin.LoadAnnotations', with_bbox=True),
            place,
            dict(type='centernet_plugin.PackDetInputs', meta_keys=META),
        ]
    )
    for _ in range(count):
        tried()
        source = image_and_boxes(rng)
        if place['type'] == 'mmdet.Resize' and min(source['ori_shape']) < 4:
            continue  # it makes images without a row
        packed = pipeline(source)
        sample = packed['data_samples']
        gt = sample.gt_instances.bboxes.tensor
        assert gt.isfinite().all() and (gt[:, 2:] >= gt[:, :2]).all()
        with torch.no_grad():
            batch = model.data_preprocessor(pseudo_collate([packed]), training=True)
            losses = model(**batch, mode='loss')
            assert all(torch.as_tensor(v).isfinite().all() for v in losses.values())
            (found,) = model.test_step(pseudo_collate([packed]))
        boxes = found.pred_instances.bboxes
        ori_height, ori_width = sample.ori_shape
        assert boxes.isfinite().all() and (boxes >= 0).all()
        assert (boxes[:, 0::2] <= ori_width).all() and (boxes[:, 1::2] <= ori_height).all()
