"""Pose and 3D, made small, learn a few generated images by heart: a signal through every branch."""

from copy import deepcopy

import torch
from mmdet.registry import DATASETS, METRICS, MODELS
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from tiny_kitti import make_kitti
from tiny_pose import write_tiny_pose

META = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'border', 'cam2img')
PAIRS = [(1, 2), (3, 4)]
POSE = [
    dict(type='centernet_plugin.SizeBranch', only_with='keypoints'),
    dict(type='centernet_plugin.OffsetBranch', only_with='keypoints'),
    dict(type='centernet_plugin.JointsBranch', num_joints=5, flip_pairs=PAIRS),
    dict(type='centernet_plugin.JointHeatmapBranch', num_joints=5, flip_pairs=PAIRS),
    dict(type='centernet_plugin.JointOffsetBranch'),
]
SPACE = [
    dict(type=f'centernet_plugin.{name}Branch')
    for name in ('Size', 'Offset', 'Depth', 'Dimension', 'Orientation')
]


def pipeline(*steps):
    return [
        dict(type='LoadImageFromFile'),
        dict(type='centernet_plugin.LoadAnnotations', with_bbox=True),
        *steps,
        dict(type='centernet_plugin.PackDetInputs', meta_keys=META),
    ]


def build(branches, classes):
    """A narrow network."""
    model = MODELS.build(
        dict(
            type='centernet_plugin.CenterNet',
            data_preprocessor=dict(
                type='mmdet.DetDataPreprocessor',
                mean=[127.5] * 3,
                std=[70.0] * 3,
                pad_size_divisor=16,
            ),
            backbone=dict(type='mmdet.ResNet', depth=18, base_channels=16, strides=(1, 2, 2, 1)),
            neck=dict(
                type='centernet_plugin.CenterNetDeconvNeck',
                in_channels=128,
                deconv_channels=(64, 32),
            ),
            bbox_head=dict(
                type='centernet_plugin.CenterNetHead',
                num_classes=classes,
                in_channels=32,
                feat_channels=32,
                init_rule='dla',
                branches=branches,
            ),
        )
    )
    model.init_weights()
    return model


def learn(dataset, branches, classes, steps, lr=4e-3):
    """The detections of all images of the set after training on them."""
    torch.manual_seed(0)
    model = build(branches, classes)
    batch = pseudo_collate([dataset[i] for i in range(len(dataset))])
    inputs = model.data_preprocessor(deepcopy(batch), training=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, steps, pct_start=0.2)
    for _ in range(steps):
        optimizer.zero_grad()
        sum(model(**inputs, mode='loss').values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 35)
        optimizer.step()
        schedule.step()
    model.eval()
    with torch.no_grad():
        return [sample.to_dict() for sample in model.test_step(batch)]


def count(metric, dataset, samples):
    metric = METRICS.build(metric)
    metric.dataset_meta = dataset.metainfo
    metric.process({}, samples)
    return metric.evaluate(len(samples))


def test_pose_by_heart(tmp_path):
    init_default_scope('mmdet')
    where = write_tiny_pose(tmp_path, images=6, joints=5)
    dataset = DATASETS.build(
        dict(type='centernet_plugin.CocoPoseDataset', pipeline=pipeline(), **where)
    )
    samples = learn(dataset, POSE, classes=1, steps=80)
    ann_file = str(tmp_path / 'person_keypoints.json')
    metric = dict(type='centernet_plugin.KeypointMetric', ann_file=ann_file)
    assert count(metric, dataset, samples)['coco/keypoints_mAP'] > 0.8


def test_3d_by_heart(tmp_path):
    init_default_scope('mmdet')
    truth = make_kitti(tmp_path, frames=6, types=('Car',))
    dataset = DATASETS.build(
        dict(
            type='centernet_plugin.KittiDataset',
            data_root=str(tmp_path),
            metainfo=dict(classes=('Car',)),
            pipeline=pipeline(
                dict(type='centernet_plugin.FixResAffine', size=(320, 96), fit='width')
            ),
        )
    )
    samples = learn(dataset, SPACE, classes=1, steps=130)
    place, size, turn = [], [], []
    for sample in samples:
        objects, found = truth[sample['img_id']], sample['pred_instances']
        bottoms = found['locations'] + found['dimensions'][:, :1] / 2 * torch.tensor([0, 1, 0])
        # A wrong guess of where it is would miss all of the detections that are sure of themselves.
        bottoms[found['scores'] < 0.3] = torch.inf
        for i in range(len(objects)):
            distance = (bottoms - torch.tensor(objects.locations[i])).norm(dim=1)
            j = distance.argmin()
            place.append(distance[j] / objects.locations[i, 2])
            size.append((found['dimensions'][j] - torch.tensor(objects.dimensions[i])).abs().max())
            error = found['rotations_y'][j] - objects.rotations_y[i]
            turn.append(torch.atan2(error.sin(), error.cos()).abs())
    assert torch.stack(place).median() < 0.06
    assert torch.stack(size).median() < 0.3
    assert torch.stack(turn).median() < 0.4
    label_dir = str(tmp_path / 'training/label_2')
    metric = dict(type='centernet_plugin.KittiMetric', label_dir=label_dir, detailed=True)
    assert count(metric, dataset, samples)['kitti/Car_bbox_AP40_hard_0.70'] > 60
