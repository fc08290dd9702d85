"""What deformable convolutions of the shipped networks are given, for timing and comparing them.

Sizes are those at 512 x 512 pixels, of which VOC's 384 x 384 has three quarters per side.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Size(NamedTuple):
    """A 3x3 deformable convolution of padding 1: (channels, side, side) -> (out, side, side)."""

    name: str
    channels: int
    side: int
    out: int


SIZES = (
    Size('R101 up 1', 2048, 16, 256),
    Size('R18 up 1, DLA-34', 512, 16, 256),
    Size('R18/R101 up 2, DLA-34', 256, 32, 128),
    Size('R18/R101 up 3, DLA-34', 128, 64, 64),
    Size('DLA-34 node 16', 256, 32, 256),
    Size('DLA-34 final 16', 256, 32, 64),
    Size('DLA-34 node 8', 128, 64, 128),
    Size('DLA-34 node 4', 64, 128, 64),
)


def make_inputs(
    size: Size, batch: int = 1, device: str = 'cpu', *, scale: float = 1.5, seed: int = 0
) -> list[Tensor]:
    """Arguments of ``modulated_deform_conv2d`` up to the bias, all with gradients.

    Args:
        size: an entry of ``SIZES``, or any other.
        batch: number of images, N.
        device: where they are to be; the numbers do not depend on it.
        scale: standard deviation of the offsets in cells; 0 is a fresh layer.
        seed: of the numbers.

    Returns:
        list: x (N, channels, side, side), offset (N, 18, side, side), mask (N, 9, side, side) in
        0..1, weight (out, channels, 3, 3), bias (out,); float32 leaves.
    """
    generator = torch.Generator().manual_seed(seed)

    def randn(*shape):
        return torch.randn(*shape, generator=generator)

    plane = (size.side, size.side)
    tensors = (
        randn(batch, size.channels, *plane),
        scale * randn(batch, 18, *plane),
        randn(batch, 9, *plane).sigmoid(),
        randn(size.out, size.channels, 3, 3) / (9 * size.channels) ** 0.5,
        randn(size.out),
    )
    return [tensor.to(device).requires_grad_() for tensor in tensors]
