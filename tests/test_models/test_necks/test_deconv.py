"""The up-convolution neck: layout, published initialisation, shapes."""

import pytest
import torch
from torch import nn

from centernet_plugin.models.layers import ModulatedDeformConv2d
from centernet_plugin.models.necks import CenterNetDeconvNeck
from centernet_plugin.models.necks.deconv import bilinear_kernel
from centernet_plugin.registry import MODELS

PLAIN = dict(in_channels=512, deconv_channels=(256, 256, 256))
DEFORMABLE = dict(in_channels=512, deconv_channels=(256, 128, 64), use_dcn=True)


def build(**cfg):
    return MODELS.build(dict(type='centernet_plugin.CenterNetDeconvNeck', **cfg))


@pytest.mark.parametrize(
    ('cfg', 'parameters', 'layers'), [(PLAIN, 4_195_840, 9), (DEFORMABLE, 3_144_593, 18)]
)
def test_published_layout(cfg, parameters, layers):
    neck = build(**cfg)
    assert sum(p.numel() for p in neck.parameters()) == parameters
    assert len(neck.deconv_layers) == layers
    assert neck.out_channels == cfg['deconv_channels'][-1]


@pytest.mark.parametrize('use_dcn', [False, True])
def test_last_map_in_one_map_out(use_dcn):
    neck = CenterNetDeconvNeck(in_channels=8, deconv_channels=(6, 4), use_dcn=use_dcn)
    feats = (torch.rand(2, 3, 10, 12), torch.rand(2, 8, 5, 6))
    (out,) = neck(feats)
    assert out.shape == (2, 4, 20, 24)
    out.mean().backward()
    assert all(p.grad is not None for p in neck.parameters())


def test_published_initialisation_plain():
    neck = build(**PLAIN)
    neck.init_weights()
    for layer in neck.deconv_layers:
        if isinstance(layer, nn.ConvTranspose2d):
            assert layer.weight.std().item() == pytest.approx(0.001, rel=0.02)
            assert abs(layer.weight.mean().item()) < 1e-5
        elif isinstance(layer, nn.BatchNorm2d):
            assert layer.weight.eq(1).all() and layer.bias.eq(0).all()


def test_published_initialisation_deformable():
    neck = build(**DEFORMABLE)
    before = {k: v.clone() for k, v in neck.state_dict().items()}
    neck.init_weights()
    axis = torch.tensor([0.25, 0.75, 0.75, 0.25])
    for index, layer in enumerate(neck.deconv_layers):
        if isinstance(layer, nn.ConvTranspose2d):
            assert torch.equal(
                layer.weight[:, 0], (axis[:, None] * axis).expand(layer.weight[:, 0].shape)
            )
            assert torch.equal(layer.weight[:, 1:], before[f'deconv_layers.{index}.weight'][:, 1:])
        elif isinstance(layer, ModulatedDeformConv2d):
            assert not layer.conv_offset.weight.any() and not layer.bias.any()
            assert torch.equal(layer.weight, before[f'deconv_layers.{index}.weight'])


@pytest.mark.parametrize('use_dcn', [False, True])
def test_layout_of_mmdetection(use_dcn):
    from mmdet.models.necks import CTResNetNeck

    ours = build(in_channels=16, deconv_channels=(8, 6), use_dcn=use_dcn, layout='mmdet')
    theirs = CTResNetNeck(16, (8, 6), (4, 4), use_dcn=False).state_dict()
    renamed = {}  # theirs has two ConvModules per step, ours six layers in a row
    for key, value in theirs.items():
        _, module, part, leaf = key.split('.')
        renamed[f'deconv_layers.{3 * int(module) + (part == "bn")}.{leaf}'] = value
    offsets = {key for key in ours.state_dict() if 'conv_offset' in key}
    assert ours.state_dict().keys() - offsets == renamed.keys() and bool(offsets) == use_dcn
    if not use_dcn:
        ours.load_state_dict(renamed)
        reference = CTResNetNeck(16, (8, 6), (4, 4), use_dcn=False)
        reference.load_state_dict(theirs)
        x = (torch.rand(1, 16, 4, 5),)
        assert torch.allclose(ours.eval()(x)[0], reference.eval()(x)[0], atol=1e-6)


@pytest.mark.parametrize('use_dcn', [False, True])
def test_layout_of_mmdetection_begins_bilinear(use_dcn):
    neck = build(in_channels=16, deconv_channels=(8, 6), use_dcn=use_dcn, layout='mmdet')
    neck.init_weights()
    for layer in neck.deconv_layers:
        if isinstance(layer, nn.ConvTranspose2d):
            assert torch.equal(layer.weight[0, 0], bilinear_kernel(4).float())


def test_init_cfg_of_the_user_wins():
    neck = build(**PLAIN, init_cfg=dict(type='Constant', layer='ConvTranspose2d', val=0.5))
    neck.init_weights()
    assert neck.deconv_layers[0].weight.eq(0.5).all()


def test_initialised_once():
    neck = CenterNetDeconvNeck(in_channels=8, deconv_channels=(4,))
    neck.init_weights()
    nn.init.zeros_(neck.deconv_layers[0].weight)  # stands for a loaded checkpoint
    neck.init_weights()
    assert not neck.deconv_layers[0].weight.any()


def test_bilinear_kernel_of_size_8():
    axis = torch.tensor([0.125, 0.375, 0.625, 0.875, 0.875, 0.625, 0.375, 0.125]).double()
    assert torch.equal(bilinear_kernel(8), axis[:, None] * axis)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match='deconv_channels'):
        CenterNetDeconvNeck(in_channels=8, deconv_channels=())
    with pytest.raises(ValueError, match="'flat'"):
        CenterNetDeconvNeck(in_channels=8, layout='flat')
    with pytest.raises(ValueError, match='in_channels of the neck is 8'):
        CenterNetDeconvNeck(in_channels=8)((torch.rand(1, 4, 5, 5),))
