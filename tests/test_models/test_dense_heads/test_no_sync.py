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


def test_reading_a_value_would_be_noticed():
    with pytest.raises((RuntimeError, NotImplementedError)):
        torch.zeros(2, device='meta').max().item()
    with pytest.raises((RuntimeError, NotImplementedError)):
        torch.zeros(2, device='meta').nonzero()
