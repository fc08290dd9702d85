"""Each of the paper's networks, made small, learns 8 images by heart: a signal through every path.

The images are photographs of blood (BCCD) where ``BCCD_ROOT`` names the folder of the set or
``data/bccd`` has it, else generated ones.
"""

import json
import os
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from mmdet.registry import DATASETS, METRICS, MODELS
from mmengine.dataset import pseudo_collate

from centernet_plugin.datasets.synthetic import generate

ROOT = Path(__file__).resolve().parents[1]
BCCD = Path(os.environ.get('BCCD_ROOT', ROOT / 'data/bccd')).absolute()
COUNT, STEPS, LR = 8, 72, 4e-3

DLA = dict(
    type='centernet_plugin.DLANet',
    arch=dict(levels=(1, 1, 1, 2, 2, 1), channels=(8, 8, 24, 32, 48, 64), block='basic'),
)
DLA_UP = dict(type='centernet_plugin.DLAUp', in_channels=(24, 32, 48, 64))
NETWORKS = {
    'resnet': dict(
        # A last stage at stride 16: at stride 32 these images would be 3 x 4 cells.
        backbone=dict(type='mmdet.ResNet', depth=18, base_channels=16, strides=(1, 2, 2, 1)),
        neck=dict(
            type='centernet_plugin.CenterNetDeconvNeck',
            in_channels=128,
            deconv_channels=(64, 32),
            use_dcn=True,
        ),
        bbox_head=dict(in_channels=32),
    ),
    'dla': dict(backbone=DLA, neck=DLA_UP, bbox_head=dict(in_channels=24)),
    'plain dla': dict(
        backbone=DLA,
        neck=dict(DLA_UP, merge='concat', use_dcn=False, final_ida=False),
        bbox_head=dict(in_channels=24),
    ),
    'hourglass': dict(
        backbone=dict(
            type='centernet_plugin.HourglassNet',
            num_stacks=2,
            downsample_times=2,
            stage_channels=(32, 32, 48),
            stage_blocks=(1, 1, 1),
            feat_channel=32,
        ),
        bbox_head=dict(in_channels=32, num_stacks=2),
    ),
}


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    """The dataset, and an annotation file of these images alone, for the metric."""
    folder = tmp_path_factory.mktemp('overfit')
    if (BCCD / 'coco_json/instances_train.json').is_file():
        ann_file, prefix = BCCD / 'coco_json/instances_train.json', BCCD / 'JPEGImages'
    else:
        generate(folder, num_train=COUNT, num_val=1, image_size=(96, 128), progress=False)
        ann_file, prefix = folder / 'annotations/instances_train.json', folder / 'train'
    content = json.loads(ann_file.read_text())
    content['images'] = content['images'][:COUNT]
    ids = {image['id'] for image in content['images']}
    content['annotations'] = [a for a in content['annotations'] if a['image_id'] in ids]
    own = folder / 'eight.json'
    own.write_text(json.dumps(content))
    dataset = DATASETS.build(
        dict(
            type='centernet_plugin.CocoDataset',
            ann_file=str(own),
            data_prefix=dict(img=str(prefix)),
            metainfo=dict(classes=tuple(c['name'] for c in content['categories'])),
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='mmdet.LoadAnnotations', with_bbox=True),
                dict(type='mmdet.Resize', scale=(128, 96), keep_ratio=True),
                dict(
                    type='mmdet.PackDetInputs',
                    meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
                ),
            ],
        )
    )
    assert len(dataset) == COUNT
    return dataset, str(own)


@pytest.mark.parametrize('name', NETWORKS)
def test_learns_eight_images_by_heart(name, images):
    dataset, ann_file = images
    torch.manual_seed(0)
    model = build(NETWORKS[name], classes=len(dataset.metainfo['classes']))
    batch = pseudo_collate([dataset[i] for i in range(COUNT)])
    inputs = model.data_preprocessor(deepcopy(batch), training=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, STEPS, pct_start=0.2)
    for _ in range(STEPS):
        losses = model(**inputs, mode='loss')
        optimizer.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 35)
        optimizer.step()
        schedule.step()

    model.eval()
    metric = METRICS.build(dict(type='mmdet.CocoMetric', ann_file=ann_file, metric='bbox'))
    metric.dataset_meta = dataset.metainfo
    with torch.no_grad():
        metric.process({}, [sample.to_dict() for sample in model.test_step(batch)])
    assert metric.evaluate(COUNT)['coco/bbox_mAP_50'] > 0.9


def build(parts, classes):
    # The other published starts, properties near zero, need more steps than a test has.
    head = dict(
        type='centernet_plugin.CenterNetHead',
        num_classes=classes,
        feat_channels=32,
        init_rule='dla',
    )
    model = MODELS.build(
        dict(
            type='centernet_plugin.CenterNet',
            data_preprocessor=dict(
                type='mmdet.DetDataPreprocessor',
                mean=[127.5] * 3,
                std=[70.0] * 3,
                pad_size_divisor=32,
            ),
            **(parts | dict(bbox_head=head | parts['bbox_head'])),
        )
    )
    model.init_weights()
    return model
