"""Decoding of golden outputs of the original, by others: keras-centernet's test data.

They are not in the repository. The test runs where ``CENTERNET_GOLD`` names the folder of
``tests/data`` of https://github.com/see--/keras-centernet, its pickles as npz with the same names.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from centernet_plugin.models import CenterNetHead

GOLD = Path(os.environ.get('CENTERNET_GOLD', 'data/centernet_gold'))

pytestmark = pytest.mark.skipif(
    not (GOLD / 'ctdet_decode_gold.npz').is_file(),
    reason='the golden outputs are not here; CENTERNET_GOLD names their folder',
)


def load(name):
    with np.load(GOLD / f'{name}.npz') as arrays:
        return dict(arrays)


def decode(maps):
    """Rows x1 y1 x2 y2 score label in cells, of maps that end with their channels."""
    maps = {
        name: torch.from_numpy(np.ascontiguousarray(value.transpose(0, 3, 1, 2)))
        for name, value in maps.items()
    }
    head = CenterNetHead(num_classes=80, in_channels=1, stride=1, test_cfg=dict(clip=False))
    metas = [dict(img_shape=(64, 64))] * len(maps['heatmap'])
    return [
        torch.cat([r.bboxes, r.scores[:, None], r.labels[:, None]], dim=1).numpy()
        for r in head.predict_by_feat((maps,), metas)
    ]


def without_negative_sizes(rows):
    """A box of negative size collapses to its centre line in ours."""
    centers = (rows[:, :2] + rows[:, 2:4]) / 2
    half = np.maximum(rows[:, 2:4] - rows[:, :2], 0) / 2
    return np.concatenate([centers - half, centers + half, rows[:, 4:]], axis=1)


def test_golden_decode():
    random = np.random.RandomState(32)
    maps = dict(heatmap=random.randn(2, 64, 64, 80))
    maps['offset'] = random.randn(2, 64, 64, 2) * 10
    maps['size'] = random.randn(2, 64, 64, 2) * 20
    rows = decode({name: value.astype(np.float32) for name, value in maps.items()})
    expected = load('ctdet_decode_gold')['detections']
    assert expected.shape == (2, 100, 6)
    for found, gold in zip(rows, expected, strict=True):
        np.testing.assert_allclose(found, without_negative_sizes(gold), atol=1e-5)


def test_real_hourglass_outputs():
    """Of the published Hourglass-104 on a photograph: two persons, two ties, a book, ..."""
    raw = load('hourglass_output_gold')
    (rows,) = decode(dict(heatmap=raw['hm'], size=raw['wh'], offset=raw['reg']))
    expected = load('hourglass_output_decoded_here')['detections_stride4']
    np.testing.assert_allclose(rows, without_negative_sizes(expected), atol=1e-5)
    assert rows[:2, 5].tolist() == [0, 0] and (rows[:2, 4] > 0.7).all()


def test_golden_pose_decode():
    random = np.random.RandomState(32)
    channels = dict(heatmap=1, joint_heatmap=17, joint_offset=2, joints=34, offset=2, size=2)
    factors = dict(joint_offset=10, joints=5, offset=10, size=20)
    maps = {}
    for name, count in channels.items():
        value = (random.randn(2, 64, 64, count) * factors.get(name, 1)).astype(np.float32)
        maps[name] = torch.from_numpy(value.transpose(0, 3, 1, 2).copy())
    branches = [
        dict(type='centernet_plugin.SizeBranch'),
        dict(type='centernet_plugin.OffsetBranch'),
        dict(type='centernet_plugin.JointsBranch', num_joints=17),
        dict(type='centernet_plugin.JointHeatmapBranch', num_joints=17),
        dict(type='centernet_plugin.JointOffsetBranch'),
    ]
    head = CenterNetHead(
        num_classes=1, in_channels=1, stride=1, branches=branches, test_cfg=dict(clip=False)
    )
    results = head.predict_by_feat((maps,), [dict(img_shape=(64, 64))] * 2)
    gold = load('hpdet_decode_gold')['detections']  # box, score, 17 x, 17 y, label
    assert gold.shape == (2, 100, 40)
    for found, rows in zip(results, gold, strict=True):
        joints = rows[:, 5:39].reshape(-1, 2, 17).transpose(0, 2, 1)
        np.testing.assert_allclose(found.scores, rows[:, 4], atol=1e-5)
        np.testing.assert_allclose(found.keypoints, joints, atol=1e-4)
        boxes = np.concatenate([found.bboxes, rows[:, 4:6]], axis=1)
        expected = without_negative_sizes(rows[:, :6])
        np.testing.assert_allclose(boxes, expected, atol=1e-4)
