"""Deformable convolution against mmcv's compiled operator, at the sizes of the shipped networks."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from ...models.layers.deform_conv import modulated_deform_conv2d
from ..case import BASE, OURS, Call, Case, Work
from ..checks import differ
from ..settings import Settings

GROUP = 'deformable convolution'
GEOMETRY = (1, 1, 1, 1, 1)  # stride, padding, dilation, groups, deform_groups
LARGE = (64, 128, 64)  # channels, side and output channels whose goals are higher
FORWARD, BOTH = 'forward', 'forward + backward'


def cases(settings: Settings) -> list[Case]:
    try:
        from ..deform_conv import SIZES, make_inputs
    except ImportError:
        return []
    found = []
    for size in SIZES:
        shape = size.channels, size.side, size.out
        name = f'{size.channels} x {size.side} x {size.side} to {size.out} ({size.name})'
        for mode in (FORWARD, BOTH):
            goal = {FORWARD: 2, BOTH: 6}[mode] if shape == LARGE else 1
            found.append(
                Case(
                    group=GROUP,
                    name=f'{name}, {mode}',
                    prepare=partial(prepare, settings, make_inputs, size, mode),
                    goals={OURS: goal},
                )
            )
    return found


def prepare(settings: Settings, make_inputs: Any, size: Any, mode: str) -> Work:
    tensors = make_inputs(size, device=str(settings.device))

    def side(convolve: Any) -> Call:
        if mode == BOTH:
            return lambda: backward(convolve(*tensors, *GEOMETRY), tensors)
        return torch.no_grad()(lambda: [convolve(*tensors, *GEOMETRY)])

    sides, absent = {OURS: side(modulated_deform_conv2d)}, {}
    operator, reason = compiled_operator(settings.device)
    if operator is None:
        absent[BASE] = reason
    else:
        sides[BASE] = side(operator)
    return Work(sides=sides, check=check, absent=absent)


def backward(output: Tensor, tensors: list[Tensor]) -> list[Tensor]:
    """Output, and gradients of its sum."""
    return [output, *torch.autograd.grad(output.sum(), tensors)]


def compiled_operator(device: torch.device) -> tuple[Any, str]:
    """mmcv's, or why there is none."""
    try:
        from mmcv.ops import modulated_deform_conv2d as operator

        shapes = ((1, 1, 3, 3), (1, 18, 3, 3), (1, 9, 3, 3), (1, 1, 3, 3), (1,))
        operator(*(torch.zeros(shape, device=device) for shape in shapes), *GEOMETRY)
    except (ImportError, RuntimeError):
        return None, f'mmcv has no compiled operator for {device.type}'
    return operator, ''


def check(side: str, output: list[Tensor], reference: list[Tensor]) -> str:
    """Output and gradients."""
    names = ('output', 'input', 'offset', 'mask', 'weight', 'bias')
    found = (
        differ(name, one, other, tolerance=1e-3)
        for name, one, other in zip(names, output, reference, strict=False)
    )
    return '; '.join(filter(None, found))
