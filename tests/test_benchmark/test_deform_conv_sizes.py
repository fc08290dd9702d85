"""The sizes to measure are those that the shipped necks use."""

import pytest
import torch

from centernet_plugin.benchmark.deform_conv import SIZES, Size, make_inputs
from centernet_plugin.models.layers.deform_conv import (
    ModulatedDeformConv2d,
    modulated_deform_conv2d,
)
from centernet_plugin.models.necks import CenterNetDeconvNeck, DLAUp


def resnet(channels):
    return CenterNetDeconvNeck(
        in_channels=channels, deconv_channels=(256, 128, 64), use_dcn=True
    ), [channels]


NECKS = {
    'R18': lambda: resnet(512),
    'R101': lambda: resnet(2048),
    'DLA-34': lambda: (DLAUp(), [64, 128, 256, 512]),
}


def used_by(name):
    """[(channels, side at 512 pixels, out)] of a neck, by a run at 32 pixels."""
    neck, widths = NECKS[name]()
    used = []

    def note(module, args, out):
        used.append((module.in_channels, 16 * args[0].shape[-1], module.out_channels))

    for module in neck.eval().modules():
        if isinstance(module, ModulatedDeformConv2d):
            module.register_forward_hook(note)
    maps = [torch.rand(1, c, 2**i, 2**i) for i, c in enumerate(reversed(widths))][::-1]
    with torch.no_grad():
        neck(maps)
    return used


def test_sizes_are_those_of_the_necks():
    used = {size for name in NECKS for size in used_by(name)}
    assert {size[1:] for size in SIZES} == used
    assert len(used_by('DLA-34')) == 16
    assert len(SIZES) == len(used) == len({size.name for size in SIZES})


@pytest.mark.parametrize('batch', [1, 3])
def test_inputs_fit_and_repeat(batch):
    size = Size('any', 4, 6, 5)
    inputs = make_inputs(size, batch)
    out = modulated_deform_conv2d(*inputs, padding=1)
    assert out.shape == (batch, 5, 6, 6)
    out.sum().backward()
    assert all(tensor.is_leaf and tensor.grad is not None for tensor in inputs)
    assert all(torch.equal(a, b) for a, b in zip(inputs, make_inputs(size, batch), strict=True))
    assert not make_inputs(size, scale=0)[1].any()
