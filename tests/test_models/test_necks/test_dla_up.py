"""DLAUp: both published forms, what lies between, initialisation, shapes."""

import pytest
import torch
from torch import nn

from centernet_plugin.models import DLAUp
from centernet_plugin.models.layers import ModulatedDeformConv2d
from centernet_plugin.models.necks.deconv import bilinear_kernel
from centernet_plugin.registry import MODELS

PLAIN = dict(merge='concat', use_dcn=False, final_ida=False)


def maps(channels, size=16):
    return tuple(torch.rand(2, c, size >> i, 2 * size >> i) for i, c in enumerate(channels))


@pytest.mark.parametrize(
    ('cfg', 'parameters', 'deformable'), [({}, 3_515_012 + 425_324, 16), (PLAIN, 2_225_920, 0)]
)
def test_published_forms(cfg, parameters, deformable):
    with torch.device('meta'):
        neck = MODELS.build(dict(type='centernet_plugin.DLAUp', **cfg))
    assert sum(p.numel() for p in neck.parameters()) == parameters
    assert sum(isinstance(m, ModulatedDeformConv2d) for m in neck.modules()) == deformable
    factors = [m.stride[0] for m in neck.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert factors == [2] * 6 + ([2, 4] if not cfg else [])


@pytest.mark.parametrize('merge', ['add', 'concat'])
@pytest.mark.parametrize('use_dcn', [False, True])
@pytest.mark.parametrize('final_ida', [False, True])
@pytest.mark.parametrize('channels', [(4, 6), (4, 4, 6), (4, 6, 6, 8), (2, 3, 4, 5, 6)])
def test_every_form_learns(merge, use_dcn, final_ida, channels):
    neck = DLAUp(in_channels=channels, merge=merge, use_dcn=use_dcn, final_ida=final_ida)
    neck.init_weights()
    (out,) = neck(maps(channels))
    assert out.shape == (2, channels[0], 16, 32)
    out.square().mean().backward()
    assert not [name for name, p in neck.named_parameters() if p.grad is None]


@pytest.mark.parametrize('cfg', [{}, PLAIN])
def test_sizes_that_were_rounded_up(cfg):
    neck = DLAUp(in_channels=(4, 6, 8), **cfg).eval()
    feats = tuple(
        torch.rand(1, c, *s) for c, s in ((4, (9, 7)), (6, (5, 4)), (8, (3, 2)))
    )  # fmt: skip
    assert neck(feats)[0].shape == (1, 4, 9, 7)


@pytest.mark.parametrize('size', [(8, 16), (2, 4), (4, 9)])  # the first would be (4, 8) or 1 less
def test_strides_that_do_not_double_are_named(size):
    neck = DLAUp(in_channels=(4, 6), use_dcn=False)
    fine = torch.rand(1, 4, 8, 16)
    neck((fine, torch.rand(1, 6, 4, 8)))
    with pytest.raises(ValueError, match=r'to be merged into one of \(8, 16\)'):
        neck((fine, torch.rand(1, 6, *size)))


def test_backend_reaches_every_deformable_convolution():
    neck = DLAUp(in_channels=(4, 6, 8), dcn_backend='mmcv')
    backends = [m.backend for m in neck.modules() if isinstance(m, ModulatedDeformConv2d)]
    assert backends == ['mmcv'] * 8


def test_published_initialisation():
    torch.manual_seed(0)
    neck = DLAUp(**PLAIN)
    neck.init_weights()
    node = neck.stages[0].nodes[0][0]  # 3 x 3, 512 -> 256
    assert node.weight.std().item() == pytest.approx((2 / (9 * 256)) ** 0.5, rel=0.01)
    neck = DLAUp(in_channels=(4, 6, 8, 8))
    neck.init_weights()
    for module in neck.modules():
        if isinstance(module, nn.ConvTranspose2d):
            kernel = bilinear_kernel(module.kernel_size[0]).float()
            assert all(torch.equal(channel, kernel) for channel in module.weight[:, 0])
        elif isinstance(module, ModulatedDeformConv2d):
            assert not module.conv_offset.weight.any() and not module.bias.any()


def test_init_cfg_of_the_user_wins():
    neck = DLAUp(
        in_channels=(4, 6), init_cfg=dict(type='Constant', layer='ConvTranspose2d', val=0.5)
    )
    neck.init_weights()
    assert neck.stages[0].ups[0].weight.eq(0.5).all()


def test_norm_cfg_reaches_every_norm():
    neck = DLAUp(in_channels=(4, 6, 8), norm_cfg=dict(type='GN', num_groups=2))
    assert not any(isinstance(m, nn.BatchNorm2d) for m in neck.modules())


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match='two maps'):
        DLAUp(in_channels=(4,))
    with pytest.raises(ValueError, match="'multiply'"):
        DLAUp(merge='multiply')
    with pytest.raises(ValueError, match='finest first'):
        DLAUp(in_channels=(4, 6))(maps((6, 4)))
