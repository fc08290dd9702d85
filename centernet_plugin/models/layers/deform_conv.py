"""Modulated deformable convolution (DCNv2, arXiv 1811.11168) in plain PyTorch.

No compiled operator is needed, on any device: all taps are gathered by one ``grid_sample`` and
summed by one matrix product; on CPU there is a faster form, see ``deform_conv_cpu``. Offsets, mask,
border rule and gradients are those of ``mmcv.ops.modulated_deform_conv2d`` and of the operator of
the original CenterNet.

Legend: N images, C input channels, O output channels, G deformable groups, K taps of the kernel,
(H, W) input size, (P, Q) output size.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.utils import _pair

from . import deform_conv_cpu

_onnx_form = None  # a plain global, which torch.compile can look at


@contextmanager
def exported_as(form: str) -> Iterator[None]:
    """Context of an export to ONNX, for the operator that the layers become.

    Args:
        form: ``'DeformConv'``, of opset 19; or ``'GridSample'``, and a matrix product, for programs
            that do not have it.
    """
    global _onnx_form
    before, _onnx_form = _onnx_form, form
    try:
        yield
    finally:
        _onnx_form = before


class ModulatedDeformConv2d(nn.Module):
    """Deformable convolution that predicts its own offsets and mask.

    Equal to mmcv's ``ModulatedDeformConv2dPack`` (``DCNv2``), with the same parameter names.
    A fresh layer has offsets 0 and mask 0.5 everywhere, so it gives half of the plain
    convolution.

    Args:
        in_channels (int): channels of the input.
        out_channels (int): channels of the output.
        kernel_size, stride, padding, dilation (int | tuple[int, int]): as in ``nn.Conv2d``.
        groups (int): groups of the convolution.
        deform_groups (int): groups of input channels with offsets and mask of their own.
        bias (bool): whether the output has a bias. Published checkpoints have one, even
            before a batch norm.
        backend (str): ``'torch'``: :func:`modulated_deform_conv2d`, everywhere. ``'mmcv'``: mmcv's
            compiled operator, where there is one.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 3,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        deform_groups: int = 1,
        bias: bool = True,
        backend: str = 'torch',
    ) -> None:
        super().__init__()
        for name, count in (('groups', groups), ('deform_groups', deform_groups)):
            if in_channels % count:
                raise ValueError(f'in_channels={in_channels} cannot be divided by {name}={count}')
        if out_channels % groups:
            raise ValueError(f'out_channels={out_channels} cannot be divided by groups={groups}')
        if backend not in ('torch', 'mmcv'):
            raise ValueError(f"backend is 'torch' or 'mmcv', not {backend!r}")
        self.backend = backend
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = _pair(kernel_size)
        self.stride = _pair(stride)
        self.padding = _pair(padding)
        self.dilation = _pair(dilation)
        self.groups = groups
        self.deform_groups = deform_groups
        taps = math.prod(self.kernel_size)
        self.weight = nn.Parameter(
            torch.empty(out_channels, in_channels // groups, *self.kernel_size)
        )
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.conv_offset = nn.Conv2d(
            in_channels,
            3 * deform_groups * taps,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The initialisation of the original: uniform weight, zero bias, offsets at rest."""
        bound = 1 / math.sqrt(self.in_channels * math.prod(self.kernel_size))
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        nn.init.zeros_(self.conv_offset.weight)
        nn.init.zeros_(self.conv_offset.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, O, P, Q)."""
        out = self.conv_offset(x)
        count = out.shape[1] // 3
        offset, mask = out.split((2 * count, count), dim=1)
        convolve = modulated_deform_conv2d
        if self.backend == 'mmcv':
            from mmcv.ops import modulated_deform_conv2d as convolve
        return convolve(
            x,
            offset,
            mask.sigmoid(),
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            self.deform_groups,
        )

    def extra_repr(self) -> str:
        return (
            f'{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, '
            f'stride={self.stride}, padding={self.padding}, dilation={self.dilation}, '
            f'groups={self.groups}, deform_groups={self.deform_groups}, '
            f'bias={self.bias is not None}, backend={self.backend!r}'
        )


def modulated_deform_conv2d(
    x: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    deform_groups: int = 1,
) -> Tensor:
    """Convolution whose taps are moved by ``offset`` and weighted by ``mask``.

    Tap t = i * kernel width + j of an output cell (p, q) reads x bilinearly at
    ``(p * stride - padding + i * dilation + dy, q * stride - padding + j * dilation + dx)``.
    Beyond the border, and where an offset is NaN, x is 0. Half precision inputs are sampled in
    float32.

    Args:
        x (Tensor): (N, C, H, W).
        offset (Tensor): (N, G * K * 2, P, Q), in input cells; channel 2t of a group is dy,
            channel 2t + 1 is dx.
        mask (Tensor): (N, G * K, P, Q), factor of every tap.
        weight (Tensor): (O, C / groups, kernel height, kernel width).
        bias (Tensor, optional): (O,).
        stride, padding, dilation (int | tuple[int, int]): as in ``F.conv2d``.
        groups (int): groups of the convolution.
        deform_groups (int): G.

    Returns:
        Tensor: (N, O, P, Q).

    Raises:
        ValueError: shapes that do not fit each other.
    """
    stride, padding, dilation = _pair(stride), _pair(padding), _pair(dilation)
    out_size = _check_shapes(
        x, offset, mask, weight, bias, stride, padding, dilation, groups, deform_groups
    )
    out_channels, kernel = weight.shape[0], weight.shape[2:]
    if x.shape[0] == 0:  # grid_sample has no empty batch on every device
        return F.conv2d(x, weight, bias, stride, padding, dilation, groups)

    if _onnx_form == 'DeformConv':
        out = _as_onnx_node(x, offset, mask, weight, out_size, stride, padding, dilation, groups)
    elif deform_conv_cpu.is_usable(x, groups, deform_groups):
        out = deform_conv_cpu.deform_conv_cpu(x, offset, mask, weight, stride, padding, dilation)
    else:
        columns = _gather_taps(x, offset, mask, kernel, out_size, stride, padding, dilation)
        columns = columns.reshape(x.shape[0], groups, -1, out_size[0] * out_size[1])
        out = weight.reshape(groups, out_channels // groups, -1) @ columns
        out = out.reshape(x.shape[0], out_channels, *out_size)
    if bias is not None:
        out = out + bias.to(out.dtype).view(-1, 1, 1)
    return out


def _gather_taps(x, offset, mask, kernel, out_size, stride, padding, dilation):
    """Sampled input times mask, (N * G, C / G, K, P * Q), in the dtype of x."""
    dtype = x.dtype
    compute = torch.promote_types(dtype, torch.float32)  # bfloat16 has no room for positions
    batch, channels, height, width = x.shape
    taps = kernel[0] * kernel[1]
    groups = mask.shape[1] // taps
    offset = offset.to(compute).reshape(batch * groups, taps, 2, *out_size)
    mask = mask.to(compute).reshape(batch * groups, 1, taps * out_size[0], out_size[1])
    x = x.to(compute).reshape(batch * groups, channels // groups, height, width)

    rest_y, rest_x = (
        _positions_at_rest(kernel[i], out_size[i], stride[i], padding[i], dilation[i], offset)
        for i in (0, 1)
    )
    y = rest_y[:, None, :, None] + offset[:, :, 0].unflatten(1, kernel)  # (NG, kh, kw, P, Q)
    x_ = rest_x[None, :, None, :] + offset[:, :, 1].unflatten(1, kernel)
    grid_y, full_height = _normalise(y, height)
    grid_x, full_width = _normalise(x_, width)
    grid = torch.stack((grid_x, grid_y), dim=-1).reshape(batch * groups, -1, out_size[1], 2)

    x = F.pad(x, (0, full_width - width, 0, full_height - height))
    sampled = F.grid_sample(x, grid, mode='bilinear', padding_mode='zeros', align_corners=True)
    return (sampled * mask).to(dtype)


def _as_onnx_node(x, offset, mask, weight, out_size, stride, padding, dilation, groups):
    """ONNX's own ``DeformConv``, for the graph that is being exported. (N, O, P, Q)"""
    taps = weight.shape[2] * weight.shape[3]
    compute = torch.promote_types(x.dtype, torch.float32)
    inputs = [t.to(compute) for t in (x, weight, offset)]
    out = torch.onnx.ops.symbolic(
        'DeformConv',
        (*inputs, None, mask.to(compute)),
        dict(
            kernel_shape=list(weight.shape[2:]),
            strides=list(stride),
            pads=[*padding, *padding],
            dilations=list(dilation),
            group=groups,
            offset_group=mask.shape[1] // taps,
        ),
        dtype=compute,
        shape=(x.shape[0], weight.shape[0], *out_size),
        version=19,
    )
    return out.to(x.dtype)


def _positions_at_rest(kernel, out_size, stride, padding, dilation, like):
    """(kernel, out_size): where every tap of every output cell lies along one axis."""
    taps = torch.arange(kernel, device=like.device, dtype=like.dtype) * dilation
    cells = torch.arange(out_size, device=like.device, dtype=like.dtype) * stride - padding
    return taps[:, None] + cells


def _normalise(position, size):
    """Positions as ``grid_sample`` wants them, and the padded size that this refers to.

    With 2^k + 1 cells the factor is a power of two, so an integer position comes back as that
    integer. Any other factor moves it by rounding, and since bilinear interpolation has a kink
    there, a fresh layer (all offsets 0) would get the gradient of the wrong side.

    Positions at or beyond the first cell outside, and NaN, go far out: the value there is 0 either
    way, and so is the gradient then, as in the compiled operators.
    """
    if _onnx_form is not None:  # sizes are not known, and nobody wants a gradient
        full = size + 1
    else:
        size = int(size)  # while being traced, sizes are tensors
        full = 2 ** max(size - 2, 0).bit_length() + 1
    inside = (position > -1) & (position < size)  # false for NaN
    return position.masked_fill(~inside, -2) * (2 / (full - 1)) - 1, full


def _check_shapes(
    x, offset, mask, weight, bias, stride, padding, dilation, groups, deform_groups
) -> tuple[int, int]:
    """The output size (P, Q), after saying what does not fit."""
    if x.dim() != 4 or weight.dim() != 4:
        raise ValueError(
            f'x and weight must have 4 dimensions, got {tuple(x.shape)} and {tuple(weight.shape)}'
        )
    batch, channels = x.shape[:2]
    if weight.shape[1] * groups != channels:
        raise ValueError(
            f'x has {channels} channels, but weight {tuple(weight.shape)} with groups={groups} '
            f'needs {weight.shape[1] * groups}'
        )
    if weight.shape[0] % groups:
        raise ValueError(f'{weight.shape[0]} output channels cannot be divided by groups={groups}')
    if channels % deform_groups:
        raise ValueError(f'{channels} channels cannot be divided by deform_groups={deform_groups}')
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f'bias must have shape ({weight.shape[0]},), got {tuple(bias.shape)}')
    size = tuple(
        (x.shape[i + 2] + 2 * padding[i] - dilation[i] * (weight.shape[i + 2] - 1) - 1) // stride[i]
        + 1
        for i in (0, 1)
    )
    if min(size) < 1:
        raise ValueError(f'x of size {tuple(x.shape[2:])} is smaller than the kernel')
    taps = deform_groups * weight.shape[2] * weight.shape[3]
    for name, value, count in (('offset', offset, 2 * taps), ('mask', mask, taps)):
        if tuple(value.shape) != (batch, count, *size):
            raise ValueError(
                f'{name} must have shape {(batch, count, *size)}, got {tuple(value.shape)}'
            )
    return size
