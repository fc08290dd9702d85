"""VOC's difficult objects count neither in training nor in tests."""

import numpy as np
import pytest
import torch
from box_formats import write_images
from mmdet.evaluation import CocoMetric
from mmengine.structures import InstanceData

from centernet_plugin.datasets import CocoDataset
from centernet_plugin.datasets.converters import (
    Box,
    BoxSet,
    Entry,
    Tally,
    build_coco,
    write_coco,
)
from centernet_plugin.errors import UserInputError
from centernet_plugin.models import CenterNetHead

EASY, DIFFICULT = (4, 4, 36, 36), (52, 20, 84, 52)  # centres of cells (5, 5) and (17, 9)


@pytest.fixture
def path(tmp_path):
    """The annotation file of one image with both."""
    write_images(tmp_path, {'a.png': (96, 64)})
    boxes = [Box('cat', EASY, 'object 1'), Box('cat', DIFFICULT, 'object 2', ignored=True)]
    cocos = build_coco(BoxSet('', dict(all=[Entry('a.png', 96, 64, boxes)])), Tally())
    return write_coco(cocos, tmp_path)['all']


@pytest.mark.parametrize('found', [[EASY], [EASY, DIFFICULT]])
def test_neither_found_nor_missed(path, found):
    metric = CocoMetric(ann_file=str(path), metric='bbox')
    metric.dataset_meta = dict(classes=('cat',))
    detections = dict(
        bboxes=torch.tensor(found, dtype=torch.float32),
        scores=torch.linspace(0.8, 0.9, len(found)),  # the difficult one first
        labels=torch.zeros(len(found), dtype=torch.long),
    )
    metric.process({}, [dict(img_id=1, ori_shape=(64, 96), pred_instances=detections)])
    assert metric.evaluate(1)['coco/bbox_mAP'] == 1


def test_no_background_is_learned_there(path):
    dataset = CocoDataset(
        ann_file=str(path),
        data_prefix=dict(img=str(path.parent)),
        metainfo=dict(classes=('cat',)),
        pipeline=[],
    )
    parts = [[], []]
    for instance in dataset.get_data_info(0)['instances']:
        parts[instance['ignore_flag']].append(instance['bbox'])
    objects, ignored = (
        InstanceData(
            bboxes=torch.tensor(np.array(part, np.float32).reshape(-1, 4)),
            labels=torch.zeros(len(part), dtype=torch.long),
        )
        for part in parts
    )
    head = CenterNetHead(num_classes=1, in_channels=4, train_cfg=dict(crowd='ignore'))
    maps = dict(
        heatmap=torch.zeros(1, 1, 16, 24, requires_grad=True),
        size=torch.zeros(1, 2, 16, 24),
        offset=torch.zeros(1, 2, 16, 24),
    )
    losses = head.loss_by_feat((maps,), [objects], [{}], [ignored])
    (gradient,) = torch.autograd.grad(losses['loss_heatmap'], maps['heatmap'])
    assert gradient[0, 0, 5, 5] < 0, 'an object'
    assert gradient[0, 0, 9, 17] == 0, 'unknown'
    assert gradient[0, 0, 14, 2] > 0, 'background'


def test_difficult_objects_alone_are_nothing_to_train_on():
    entry = Entry('a.png', 96, 64, [Box('cat', EASY, 'object 1', ignored=True)])
    with pytest.raises(UserInputError, match='no box to train on in 1 image; note: difficult'):
        build_coco(BoxSet('', dict(all=[entry])), Tally())
