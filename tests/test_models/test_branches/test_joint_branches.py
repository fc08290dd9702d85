"""Joints: mirroring, snapping, and what is not on the map. Parity is in test_parity_pose."""

import pytest
import torch
from mmengine.structures import InstanceData

from centernet_plugin.errors import UserInputError
from centernet_plugin.models import (
    CenterNetHead,
    JointHeatmapBranch,
    JointOffsetBranch,
    JointsBranch,
)
from centernet_plugin.models.functional import joints as joint_functions
from centernet_plugin.models.functional.joints import joint_targets, snap
from centernet_plugin.models.functional.targets import build_targets

NAN, PAIRS = float('nan'), [(1, 2)]
WIDTH = 64


def perfect_maps(joints, box):
    """Maps of a network that makes no mistake; joints (3, 2) and the box in input pixels."""
    instances = InstanceData(
        bboxes=box[None], labels=torch.zeros(1, dtype=torch.int64), keypoints=joints[None]
    )
    targets = build_targets([instances], 1, (16, 16))
    x, y = targets.cells[0].tolist()
    size, offset = torch.zeros(2, 1, 2, 16, 16)
    offsets = torch.zeros(1, 6, 16, 16)
    size[0, :, y, x] = targets.sizes[0]
    offset[0, :, y, x] = (targets.centers - targets.cells)[0]
    offsets[0, :, y, x] = (joints / 4 - targets.cells[0]).flatten()
    found = joint_targets(targets, 4)
    within = torch.zeros(1, 2, 16, 16)
    for cell, point in zip(found.cells.tolist(), found.points, strict=True):
        within[0, :, cell[1], cell[0]] = point - torch.tensor(cell)
    peaks = found.heatmap.dense()
    return dict(
        heatmap=torch.logit(targets.heatmap.dense(), 1e-4),
        joint_heatmap=torch.logit(peaks, 1e-4),
        size=size,
        offset=offset,
        joints=offsets,
        joint_offset=within,
    )


def make_head(**joints):
    return CenterNetHead(
        num_classes=1,
        in_channels=1,
        branches=[
            dict(type='centernet_plugin.SizeBranch'),
            # The original takes the plain image's; averaged, a wrong mirror shows.
            dict(type='centernet_plugin.OffsetBranch', flip_test='average'),
            dict(type='centernet_plugin.JointsBranch', num_joints=3, flip_pairs=PAIRS, **joints),
            dict(type='centernet_plugin.JointHeatmapBranch', num_joints=3, flip_pairs=PAIRS),
            dict(type='centernet_plugin.JointOffsetBranch', flip_test='average'),
        ],
    )


JOINTS = torch.tensor([[30.0, 14.0], [21.0, 33.0], [41.0, 37.0]])
# Not in the last quarter of a cell, whose mirror image is in another cell.
BOX = torch.tensor([13.0, 8.0, 47.0, 54.0])


def mirror(joints, box):
    """As pixels are mirrored: x becomes W - 1 - x."""
    joints = joints[[0, 2, 1]].clone()
    joints[:, 0] = WIDTH - 1 - joints[:, 0]
    return joints, torch.stack([WIDTH - 1 - box[2], box[1], WIDTH - 1 - box[0], box[3]])


@pytest.mark.parametrize('snapping', [True, False])
def test_the_mirrored_image_says_the_same(snapping):
    maps = [perfect_maps(JOINTS, BOX), perfect_maps(*mirror(JOINTS, BOX))]
    both = {name: torch.cat([maps[0][name], maps[1][name]]) for name in maps[0]}
    if not snapping:
        both['joint_heatmap'].fill_(-9)
    (result,) = make_head().predict_by_feat((both,), [dict(img_shape=(64, 64))], flipped=True)
    torch.testing.assert_close(result.keypoints[0], JOINTS, atol=1e-4, rtol=0)
    torch.testing.assert_close(result.bboxes[0], BOX, atol=1e-4, rtol=0)
    assert (result.keypoint_scores[0] > 0.9).all() == snapping


def test_the_published_mirror_is_three_eighths_of_a_cell_off():
    maps = [perfect_maps(JOINTS, BOX), perfect_maps(*mirror(JOINTS, BOX))]
    both = {name: torch.cat([maps[0][name], maps[1][name]]) for name in maps[0]}
    both['joint_heatmap'].fill_(-9)
    head = make_head(published_flip=True)
    (result,) = head.predict_by_feat((both,), [dict(img_shape=(64, 64))], flipped=True)
    shift = result.keypoints[0] - JOINTS
    torch.testing.assert_close(shift, torch.tensor([[-1.5, 0.0]]).expand(3, 2), atol=1e-4, rtol=0)


def test_joints_map_back_through_padding_and_unequal_scales():
    maps = perfect_maps(JOINTS, BOX)
    meta = dict(
        img_shape=(64, 64), ori_shape=(20, 30), scale_factor=(2.0, 4.0), border=(8, 60, 4, 60)
    )
    (result,) = make_head().predict_by_feat((maps,), [meta], rescale=True)
    expected = (JOINTS - torch.tensor([4.0, 8.0])) / torch.tensor([2.0, 4.0])
    torch.testing.assert_close(result.keypoints[0], expected, atol=1e-4, rtol=0)
    assert (result.keypoint_scores[0] > 0.9).all(), 'found where the heat-map has them'


def test_what_snaps():
    joints = torch.tensor([[10.0, 10.0]]).expand(1, 1, 4, 2)
    boxes = torch.tensor([[[0.0, 0.0, 20.0, 10.5]]])
    positions = torch.tensor([[12.0, 9.0], [19.0, 10.0], [10.0, 10.5], [10.0, 9.0]])[None, :, None]
    scores = torch.tensor([0.9, 0.9, 0.9, 0.1])[None, :, None]
    moved, snapped, _ = snap(joints, boxes, scores, positions, min_score=0.1, reach=0.3)
    # Near; too far; on the box's side; too faint.
    assert snapped.tolist() == [[[True, False, False, False]]]
    assert moved[0, 0, 0].tolist() == [12, 9] and moved[0, 0, 1].tolist() == [10, 10]


def test_each_joint_goes_to_the_nearest_peak_of_its_kind():
    joints = torch.tensor([[[[10.0, 10.0], [4.0, 4.0]]]])
    boxes = torch.tensor([[[0.0, 0.0, 20.0, 20.0]]])
    positions = torch.tensor([[[[13.0, 10.0], [9.0, 10.0]], [[5.0, 4.0], [10.0, 10.0]]]])
    moved, _, score = snap(
        joints, boxes, torch.tensor([[[0.9, 0.5], [0.8, 0.7]]]), positions, 0.1, 1
    )
    assert moved.tolist() == [[[[9, 10], [5, 4]]]]
    assert score[0, 0].tolist() == pytest.approx([0.5, 0.8])


def test_joints_off_the_map_or_not_annotated_are_not_trained_on():
    joints = torch.tensor([[[NAN, NAN], [70.0, 10.0], [20.0, 20.0]], [[9.0, 9.0]] * 3])
    instances = InstanceData(
        bboxes=torch.tensor([[8.0, 8, 60, 60], [90.0, 90, 99, 99]]),
        labels=torch.zeros(2, dtype=torch.int64),
        keypoints=joints,
    )
    targets = build_targets([instances], 1, (16, 16))
    found = joint_targets(targets, 4)
    assert found.valid.tolist() == [False, False, True] + [False] * 3, 'second person is off it'
    offsets = JointsBranch(num_joints=3).target(targets)
    assert offsets[0].isnan().tolist() == [True] * 4 + [False] * 2
    prediction = torch.zeros(1, 2, 16, 16)
    assert JointOffsetBranch().loss(prediction, targets).item() == 0, 'on the corner of a cell'
    loss = JointHeatmapBranch(num_joints=3).loss(torch.zeros(1, 3, 16, 16), targets)
    assert loss.isfinite()


@pytest.mark.parametrize('count', [0, 2])
def test_batches_without_persons(count):
    instances = [
        InstanceData(
            bboxes=torch.zeros(0, 4),
            labels=torch.zeros(0, dtype=torch.int64),
            keypoints=torch.zeros(0, 3, 2),
        )
        for _ in range(count or 1)
    ]
    channels = dict(heatmap=1, size=2, offset=2, joints=6, joint_heatmap=3, joint_offset=2)
    maps = {
        k: torch.zeros(len(instances), c, 8, 8, requires_grad=True) for k, c in channels.items()
    }
    losses = make_head().loss_by_feat((maps,), instances, [{}] * len(instances))
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())


def test_another_number_of_joints_than_the_datasets_is_named():
    instances = InstanceData(
        bboxes=torch.tensor([[8.0, 8, 60, 60]]),
        labels=torch.zeros(1, dtype=torch.int64),
        keypoints=torch.ones(1, 5, 2),
    )
    targets = build_targets([instances], 1, (16, 16))
    with pytest.raises(UserInputError, match='have 5 joints.*num_joints=3'):
        JointsBranch(num_joints=3).loss(torch.zeros(1, 6, 16, 16), targets)
    with pytest.raises(UserInputError, match='have 5 joints.*num_joints=3'):
        JointHeatmapBranch(num_joints=3).loss(torch.zeros(1, 3, 16, 16), targets)


def test_what_all_stacks_share_is_made_once(monkeypatch):
    maps = perfect_maps(JOINTS, BOX)
    instances = InstanceData(
        bboxes=BOX[None], labels=torch.zeros(1, dtype=torch.int64), keypoints=JOINTS[None]
    )
    head, count = make_head(), []
    draw = joint_functions.build_heatmap_target

    def counting(*args, **kwargs):
        count.append(1)
        return draw(*args, **kwargs)

    monkeypatch.setattr(joint_functions, 'build_heatmap_target', counting)
    one = head.loss_by_feat((maps,), [instances], [{}])
    two = head.loss_by_feat((maps, maps), [instances], [{}])
    assert len(count) == 2, 'one for each batch'
    assert two == {name: pytest.approx(loss) for name, loss in one.items()}


def test_snapping_needs_joints_and_boxes():
    head = CenterNetHead(
        num_classes=1,
        in_channels=1,
        branches=[dict(type='centernet_plugin.JointHeatmapBranch', num_joints=3)],
    )
    maps = dict(heatmap=torch.zeros(1, 1, 8, 8), joint_heatmap=torch.zeros(1, 3, 8, 8))
    with pytest.raises(UserInputError, match="needs 'keypoints'.*JointsBranch"):
        head.predict_by_feat((maps,), [dict(img_shape=(32, 32))])


def test_an_offset_that_is_not_there_is_named():
    maps = perfect_maps(JOINTS, BOX)
    metas = [dict(img_shape=(64, 64))]
    head = make_head()
    exact = head.predict_by_feat((maps,), metas)[0].keypoints[0]
    maps['moved'] = maps.pop('joint_offset')
    head.branches[4].name = 'moved'
    with pytest.raises(UserInputError, match="offset='joint_offset'.*offset=None"):
        head.predict_by_feat((maps,), metas)
    head.branches[3].offset = None
    coarse = head.predict_by_feat((maps,), metas)[0].keypoints[0]
    assert torch.equal(coarse, (exact / 4).floor() * 4 + 2)


def test_background_of_joints_does_not_count_in_a_crowd():
    person = InstanceData(
        bboxes=BOX[None], labels=torch.zeros(1, dtype=torch.int64), keypoints=JOINTS[None]
    )
    crowd = InstanceData(
        bboxes=torch.tensor([[40.0, 0, 64, 16]]), labels=torch.zeros(1, dtype=torch.int64)
    )
    none = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.int64))
    images, crowds = [person, person], [none, crowd]
    targets = build_targets(images, 1, (16, 16), batch_ignored=crowds)
    ignore = joint_targets(targets, 4).heatmap.dense_ignore()
    assert ignore[0].sum() == 0 and ignore[1].sum() == 3 * 6 * 4
    assert (ignore[1, :, :4, 10:] == 1).all()
    maps = torch.full((2, 3, 16, 16), -5.0)
    maps[1, 2, 1, 12] = 5  # somebody in the crowd
    branch = JointHeatmapBranch(num_joints=3)
    plain = branch.loss(maps, build_targets(images, 1, (16, 16)))
    assert branch.loss(maps, targets) < plain - 0.1


@pytest.mark.parametrize(
    'pairs', [[(0, 0)], [(0, 1), (1, 2)], [(0, 3)], [(0, 1, 2)], [(-1, 0)], [1, 2]]
)
def test_wrong_pairs_are_named(pairs):
    with pytest.raises(ValueError, match='flip_pairs'):
        JointsBranch(num_joints=3, flip_pairs=pairs)
