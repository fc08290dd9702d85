"""HourglassNet: mmdet's network, with every parameter in use."""

import pytest
import torch
from mmdet.models.backbones import HourglassNet as MMDetHourglassNet
from torch import nn

from centernet_plugin.models import HourglassNet
from centernet_plugin.registry import MODELS

SMALL = dict(
    downsample_times=2, stage_channels=(4, 6, 8), stage_blocks=(1, 1, 2), feat_channel=6
)  # fmt: skip


def test_published_size():
    with torch.device('meta'):
        net = MODELS.build(dict(type='centernet_plugin.HourglassNet'))
    # The original's 191,284,008 without the heads of both stacks; one hourglass 92,134,400.
    assert sum(p.numel() for p in net.parameters()) == 191_284_008 - 3_583_656
    for hourglass in net.hourglass_modules:
        assert sum(p.numel() for p in hourglass.parameters()) == 92_134_400


@pytest.mark.parametrize('num_stacks', [1, 2, 3])
def test_stacks(num_stacks):
    net = HourglassNet(num_stacks=num_stacks, **SMALL)
    outs = net(torch.rand(2, 3, 64, 32))
    assert [tuple(out.shape) for out in outs] == [(2, 6, 16, 8)] * num_stacks
    sum(out.square().mean() for out in outs).backward()
    assert not [name for name, p in net.named_parameters() if p.grad is None]


def test_computes_what_mmdets_computes():
    ours, theirs = HourglassNet(num_stacks=2, **SMALL), MMDetHourglassNet(num_stacks=2, **SMALL)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    x = torch.rand(1, 3, 64, 64)
    for a, b in zip(ours.eval()(x), theirs.eval()(x), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize('size', [(1, 1), (50, 33)])
def test_any_input_size(size):
    (out,) = HourglassNet(num_stacks=1, **SMALL).eval()(torch.rand(1, 3, *size))
    assert out.shape[-2:] == tuple(-(-n // 4) for n in size)


def test_norm_cfg_reaches_every_norm():
    net = HourglassNet(num_stacks=2, norm_cfg=dict(type='GN', num_groups=2), **SMALL)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in net.modules())
    assert net(torch.rand(1, 3, 32, 32))[1].shape == (1, 6, 8, 8)


def test_own_initialisation():
    net = HourglassNet(num_stacks=1, **SMALL)
    before = {name: p.clone() for name, p in net.named_parameters()}
    net.init_weights()
    assert all(torch.equal(p, before[name]) for name, p in net.named_parameters())
    net = HourglassNet(
        num_stacks=1, init_cfg=dict(type='Constant', layer='Conv2d', val=0.5), **SMALL
    )
    net.init_weights()
    assert all(m.weight.eq(0.5).all() for m in net.modules() if isinstance(m, nn.Conv2d))


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match='num_stacks must be at least 1'):
        HourglassNet(num_stacks=0)
    for stages in (
        dict(stage_channels=(4, 4)),
        dict(stage_blocks=(1, 1)),
        dict(downsample_times=3),
    ):
        with pytest.raises(ValueError, match='halvings need'):
            HourglassNet(**(SMALL | stages))
