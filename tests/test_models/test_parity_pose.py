"""The pose branches against numbers of the original code."""

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from centernet_plugin.datasets.transforms import FixResAffine
from centernet_plugin.datasets.transforms.fields import attach_fields
from centernet_plugin.models import CenterNetHead
from centernet_plugin.models.functional.joints import joint_targets

PAIRS = [(i, i + 1) for i in range(1, 17, 2)]
BRANCHES = [
    dict(type='centernet_plugin.SizeBranch', only_with='keypoints'),
    dict(type='centernet_plugin.OffsetBranch', only_with='keypoints'),
    dict(type='centernet_plugin.JointsBranch', num_joints=17, flip_pairs=PAIRS),
    dict(type='centernet_plugin.JointHeatmapBranch', num_joints=17, flip_pairs=PAIRS),
    dict(type='centernet_plugin.JointOffsetBranch'),
]


def make_head(**settings):
    return CenterNetHead(num_classes=1, in_channels=1, branches=BRANCHES, **settings)


def instances_of(case):
    """The annotations in the network's input, as the pipeline makes them."""
    xywh = case['boxes_xywh']
    boxes = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1).astype(np.float32)
    visible = case['keypoints'][..., 2]
    points = np.where(visible[..., None] > 0, case['keypoints'][..., :2], np.nan)
    image = case['image_bgr']
    results = dict(img=image, img_shape=image.shape[:2], gt_bboxes=boxes)
    attach_fields(results, dict(keypoints=points.astype(np.float32)))
    results = FixResAffine(size=tuple(case['input_size'].tolist())).transform(results)
    return InstanceData(
        bboxes=results['gt_bboxes'].tensor,
        labels=torch.zeros(len(boxes), dtype=torch.int64),
        keypoints=torch.from_numpy(results['gt_fields']['keypoints']),
    )


@pytest.fixture
def targets(steps):
    return make_head().get_targets((64, 64), [instances_of(steps('pose_targets_and_losses'))])


def test_published_joint_targets(steps, targets):
    case = steps('pose_targets_and_losses')
    used = case['mask'].astype(bool)
    np.testing.assert_allclose(targets.heatmap.dense()[0], case['heatmap'], atol=1e-5)
    index = (targets.cells[:, 1] * 64 + targets.cells[:, 0]).numpy()
    np.testing.assert_array_equal(index[used], case['index'][used])

    size, _, branch = make_head().branches[:3]
    np.testing.assert_array_equal(size.weight(targets).numpy(), case['mask'])
    np.testing.assert_allclose(targets.sizes[used], case['size'][used], atol=1e-5)
    offsets = branch.target(targets).numpy()
    known = case['joints_mask'].astype(bool)
    np.testing.assert_array_equal(~np.isnan(offsets) & (targets.weight > 0).numpy()[:, None], known)
    np.testing.assert_allclose(offsets[known], case['joints'][known], atol=2e-5)

    joints = joint_targets(targets, 4)
    np.testing.assert_array_equal(joints.valid.view(-1, 17).numpy(), case['joint_mask'])
    valid = case['joint_mask'].astype(bool)
    index = (joints.cells[:, 1] * 64 + joints.cells[:, 0]).view(-1, 17).numpy()
    np.testing.assert_array_equal(index[valid], case['joint_index'][valid])
    offset = (joints.points - joints.cells).view(-1, 17, 2).numpy()
    np.testing.assert_allclose(offset[valid], case['joint_offset'][valid], atol=1e-5)
    heatmap = joints.heatmap.dense()[0]
    np.testing.assert_allclose(heatmap, case['joint_heatmap'], atol=1e-5)


def test_published_losses(steps):
    case = steps('pose_targets_and_losses')
    names = dict(
        heatmap='hm', size='wh', offset='reg', joints='hps', joint_heatmap='hm_hp',
        joint_offset='hp_offset',
    )  # fmt: skip
    maps = {ours: torch.from_numpy(case[f'output.{name}']) for ours, name in names.items()}
    losses = make_head().loss_by_feat((maps,), [instances_of(case)], [{}])
    expected = dict(
        loss_heatmap='hm_loss', loss_joints='hp_loss', loss_joint_heatmap='hm_hp_loss',
        loss_joint_offset='hp_offset_loss', loss_offset='off_loss',
    )  # fmt: skip
    for name, theirs in expected.items():
        np.testing.assert_allclose(losses[name].item(), case[f'loss.{theirs}'], rtol=1e-5)
    np.testing.assert_allclose(losses['loss_size'].item(), 0.1 * case['loss.wh_loss'], rtol=1e-5)
    np.testing.assert_allclose(sum(losses.values()).item(), case['loss.loss'], rtol=1e-5)


def test_published_decoding(steps):
    case = steps('decode_pose')
    names = ('size', 'offset', 'joints', 'joint_offset')
    maps = {name: torch.from_numpy(case[name]) for name in names}
    for name in ('heatmap', 'joint_heatmap'):
        maps[name] = torch.from_numpy(case[f'{name}_logits'])
    k = int(case['topk'])
    head = make_head(stride=1, test_cfg=dict(clip=False, topk=k, max_per_img=k))
    # The original looks for as many peaks of each joint as for centres.
    head.branches[3].topk = k
    metas = [dict(img_shape=(24, 32))] * 2
    found = head.predict_by_feat((maps,), metas)
    for result, rows in zip(found, case['detections_box4_score_joints34_label'], strict=True):
        np.testing.assert_allclose(result.scores, rows[:, 4], atol=1e-5)
        np.testing.assert_allclose(result.keypoints.flatten(1), rows[:, 5:39], atol=1e-5)
        boxes = rows[:, :4]
        sound = (boxes[:, 2:] >= boxes[:, :2]).all(1)
        assert sound.any()
        np.testing.assert_allclose(result.bboxes[sound], boxes[sound], atol=1e-5)
        # Some joints were moved to peaks and some were not.
        moved = np.isclose(result.keypoint_scores, 0.1, atol=0.1)
        assert 0 < moved.mean() < 1
