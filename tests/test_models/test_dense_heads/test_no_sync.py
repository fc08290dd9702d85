"""Training and decoding never wait for a device.

Tensors on the meta device have no values: whatever would read one, and so wait for all that is
queued on a GPU, raises there; so does a tensor that is on the CPU by mistake.
"""

import pytest
import torch
from mmengine.structures import InstanceData

from centernet_plugin.models.dense_heads import CenterNetHead


def make_instances(count, device):
    return InstanceData(
        bboxes=torch.zeros(count, 4, device=device),
        labels=torch.zeros(count, dtype=torch.int64, device=device),
    )


def make_maps(batch, dtype=torch.float32):
    channels = dict(heatmap=80, size=2, offset=2)
    return {
        name: torch.zeros(batch, c, 32, 40, device='meta', dtype=dtype, requires_grad=True)
        for name, c in channels.items()
    }


@pytest.mark.parametrize('clamp', [1e-4, None])
@pytest.mark.parametrize('counts', [(7, 0, 300, 20), (0, 0)])
@pytest.mark.parametrize(
    'train_cfg', [dict(crowd='ignore'), dict(crowd='object'), dict(neighbours=1)]
)
def test_targets_and_losses(clamp, counts, train_cfg):
    loss = dict(type='centernet_plugin.HeatmapFocalLoss', clamp=clamp)
    head = CenterNetHead(
        num_classes=80, in_channels=64, num_stacks=2, loss_heatmap=loss, train_cfg=train_cfg
    )
    instances = [make_instances(count, 'meta') for count in counts]
    crowds = [make_instances(count % 3, 'meta') for count in counts]
    stacks = (make_maps(len(counts)), make_maps(len(counts), torch.bfloat16))
    losses = head.loss_by_feat(stacks, instances, [{}] * len(counts), crowds)
    sum(losses.values()).backward()
    assert all(value.grad.shape == value.shape for maps in stacks for value in maps.values())


@pytest.mark.parametrize('flipped', [False, True])
def test_decoding(flipped):
    head = CenterNetHead(num_classes=80, in_channels=64)
    metas = [dict(img_shape=(128, 160), ori_shape=(64, 80), scale_factor=(2, 2))] * 2
    results = head.predict_by_feat(
        (make_maps(4 if flipped else 2),), metas, rescale=True, flipped=flipped
    )
    assert [result.bboxes.shape for result in results] == [(100, 4)] * 2


POSE = [
    dict(type='centernet_plugin.SizeBranch', only_with='keypoints'),
    dict(type='centernet_plugin.JointsBranch', num_joints=5, flip_pairs=[(1, 2)]),
    dict(type='centernet_plugin.JointHeatmapBranch', num_joints=5, flip_pairs=[(1, 2)]),
    dict(type='centernet_plugin.JointOffsetBranch'),
]
SPACE = [
    dict(type=f'centernet_plugin.{kind}Branch', rows_per_image=rows)
    for kind, rows in (('Size', 50), ('Depth', None), ('Dimension', 50), ('Orientation', None))
]


@pytest.mark.parametrize('branches', [POSE, SPACE], ids=['pose', '3d'])
@pytest.mark.parametrize('flipped', [False, True])
def test_pose_and_3d(branches, flipped):
    head = CenterNetHead(
        num_classes=3, in_channels=8, branches=branches, train_cfg=dict(crowd='gaussian')
    )
    channels = dict(heatmap=3) | {branch.name: branch.channels for branch in head.branches}
    maps = {
        name: torch.zeros(4, c, 16, 20, device='meta', requires_grad=True)
        for name, c in channels.items()
    }
    shapes = dict(keypoints=(5, 2), depths=(), dimensions=(3,), alphas=())
    instances = [make_instances(count, 'meta') for count in (7, 0, 3, 1)]
    for one in instances:
        for name, shape in shapes.items():
            one[name] = torch.zeros(len(one.labels), *shape, device='meta')
    ignored = [make_instances(count, 'meta') for count in (2, 0, 0, 1)]
    losses = head.loss_by_feat((maps,), instances, [{}] * 4, ignored)
    sum(losses.values()).backward()
    assert all(value.grad.shape == value.shape for value in maps.values())
    metas = [dict(img_shape=(64, 80))] * (2 if flipped else 4)
    results = head.predict_by_feat((maps,), metas, flipped=flipped)
    assert [len(result.scores) for result in results] == [100] * len(metas)


def test_reading_a_value_would_be_noticed():
    with pytest.raises((RuntimeError, NotImplementedError)):
        torch.zeros(2, device='meta').max().item()
    with pytest.raises((RuntimeError, NotImplementedError)):
        torch.zeros(2, device='meta').nonzero()
