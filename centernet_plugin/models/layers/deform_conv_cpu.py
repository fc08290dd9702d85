"""Deformable convolution on CPU: the cells of the input as rows that ``embedding_bag`` sums.

``grid_sample`` on CPU is several times slower than ``embedding_bag``, which is the same operation
once every cell is a row of channels: a tap is the sum of four rows with factors. Its input gradient
is the same again, over the rows that a cell has contributed to. Output rows are done a few at a
time, so that sampled values stay in the cache, and backward samples again instead of keeping nine
times the input.

Legend: N images, C input channels, O output channels, K taps of the kernel, (H, W) input size,
(P, Q) output size, p output rows at a time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

POSITIONS = 2048  # output positions at a time and thread: few enough for the cache, many to share


_allowed = ContextVar('rows are allowed', default=True)


@contextmanager
def not_used() -> Iterator[None]:
    """Context for those who look at every operator: the layers use ``grid_sample``."""
    token = _allowed.set(False)
    try:
        yield
    finally:
        _allowed.reset(token)


def is_usable(x: Tensor, groups: int, deform_groups: int) -> bool:
    """Whether :func:`deform_conv_cpu` can be used, and is the fast form, here.

    In graphs (tracing, export, compilation) ``grid_sample`` is better known. ``embedding_bag`` is
    fast by FBGEMM, which builds of PyTorch for x86 have.
    """
    return (
        not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
        and x.is_cpu
        and groups == deform_groups == 1
        and 'fbgemm' in torch.backends.quantized.supported_engines
        and _allowed.get()
    )


def deform_conv_cpu(
    x: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> Tensor:
    """``modulated_deform_conv2d`` of one group without bias; not differentiable twice.

    Arguments as there, not checked. Returns (N, O, P, Q).
    """
    # Samples are taken in float32 at least; under autocast their product with the weight is not.
    dtype = (x.new_zeros(1, 1) @ weight.new_zeros(1, 1)).dtype
    return _DeformConv.apply(x, offset, mask, weight.to(dtype), stride, padding, dilation)


class _DeformConv(Function):
    @staticmethod
    def forward(x, offset, mask, weight, stride, padding, dilation):
        flat = _flatten(weight)
        parts, rest = _plan(x, mask, weight, stride, padding, dilation)
        out = weight.new_empty(len(x), len(weight), *mask.shape[2:])
        for image, feature in enumerate(x):
            rows = _as_rows(feature, rest[0].dtype)
            for part in parts:
                index = (image, slice(None), part)
                cells, factors = _corners(offset[index], mask[index], part, rest, x.shape[2:])
                columns = _sum_rows(cells, rows, factors).to(flat.dtype).view(-1, flat.shape[1])
                out[index] = (flat @ columns.t()).view(out[index].shape)
        return out

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs[:4])
        ctx.options = inputs[4:]

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        x, offset, mask, weight = ctx.saved_tensors
        flat = _flatten(weight)
        parts, rest = _plan(x, mask, weight, *ctx.options)
        x_grad, offset_grad, mask_grad = (torch.empty_like(t) for t in (x, offset, mask))
        flat_grad = torch.zeros_like(flat, dtype=rest[0].dtype)
        for image, feature in enumerate(x):
            rows = _as_rows(feature, rest[0].dtype)
            rows_grad = torch.zeros_like(rows)
            for part in parts:
                index = (image, slice(None), part)
                out_grad = grad[index].reshape(len(weight), -1)
                with torch.enable_grad():
                    moved = [t[index].detach().requires_grad_() for t in (offset, mask)]
                    cells, factors = _corners(*moved, part, rest, x.shape[2:])
                    columns = _sum_rows(cells, rows, factors)
                columns_grad = (out_grad.t() @ flat).to(columns.dtype).view_as(columns)
                offset_grad[index], mask_grad[index] = torch.autograd.grad(
                    columns, moved, columns_grad
                )
                rows_grad += _share_out(cells, factors.detach(), columns_grad, len(rows))
                columns = columns.detach().to(flat.dtype).view(-1, flat.shape[1])
                flat_grad += out_grad @ columns
            x_grad[image] = _as_feature(rows_grad, x.shape[2:])
        weight_grad = flat_grad.view(len(weight), -1, x.shape[1]).transpose(1, 2)
        weight_grad = weight_grad.reshape(weight.shape).to(weight.dtype)
        return x_grad, offset_grad, mask_grad, weight_grad, None, None, None


def _plan(x, mask, weight, stride, padding, dilation):
    """Slices of output rows to do at a time, and where taps rest: y (P, 1, K) and x (Q, K)."""
    kernel, (height, width) = weight.shape[2:], mask.shape[2:]
    step = max(POSITIONS * torch.get_num_threads() // width, 1)
    parts = [slice(start, start + step) for start in range(0, height, step)]
    i = torch.arange(kernel[0]).repeat_interleave(kernel[1]) * dilation[0]
    j = torch.arange(kernel[1]).repeat(kernel[0]) * dilation[1]
    y = (torch.arange(height) * stride[0] - padding[0])[:, None, None] + i
    x_ = (torch.arange(width) * stride[1] - padding[1])[:, None] + j
    dtype = torch.promote_types(x.dtype, torch.float32)  # bfloat16 has no room for positions
    return parts, (y.to(dtype), x_.to(dtype))


def _as_rows(feature, dtype):
    """(C, H, W) -> ((H + 2) * (W + 2), C): inside a border of zeros, so that edges need no rule."""
    channels, height, width = feature.shape
    rows = feature.new_zeros(height + 2, width + 2, channels, dtype=dtype)
    # Transposed as a matrix, which is far faster than as (C, H, W).
    rows[1:-1, 1:-1] = feature.flatten(1).t().contiguous().view(height, width, channels)
    return rows.view(-1, channels)


def _as_feature(rows, size):
    """The inverse of :func:`_as_rows`."""
    return rows.view(size[0] + 2, size[1] + 2, -1)[1:-1, 1:-1].permute(2, 0, 1)


def _corners(offset, mask, part, rest, size):
    """(2 * K, p, Q), (K, p, Q) -> the four cells of every tap and their factors, (p * Q * K, 4)."""
    rest = (rest[0][part], rest[1])
    offset = offset.unflatten(0, (-1, 2)).permute(1, 2, 3, 0).to(rest[0].dtype).contiguous()
    mask = mask.permute(1, 2, 0).to(rest[0].dtype).contiguous()
    low, share = [], []
    for axis in (0, 1):
        position = rest[axis] + offset[axis]  # (p, Q, K)
        # At or beyond the first cell outside value and gradient are 0, as in the border at -1.
        inside = (position > -1) & (position < size[axis])  # false for NaN
        position = torch.where(inside, position, -1)
        low.append(position.detach().floor())
        share.append(position - low[axis])
    below = share[0] * mask
    above = mask - below
    below_right, above_right = below * share[1], above * share[1]
    factors = torch.stack(
        (above - above_right, above_right, below - below_right, below_right), dim=-1
    )
    stride = size[1] + 2
    first = ((low[0] + 1) * stride + (low[1] + 1)).to(torch.int32)
    cells = first[..., None] + torch.tensor([0, 1, stride, stride + 1], dtype=torch.int32)
    return cells.view(-1, 4), factors.view(-1, 4)


def _sum_rows(cells, rows, factors):
    """(T, C): for every tap the sum of its four rows times factors."""
    return F.embedding_bag(cells, rows, mode='sum', per_sample_weights=factors)


def _share_out(cells, factors, columns_grad, count):
    """(count, C): the transpose of :func:`_sum_rows`, rows' gradient from that of the taps."""
    cells = cells.flatten()
    order = cells.argsort()
    counts = torch.bincount(cells, minlength=count)
    return F.embedding_bag(
        order // 4,  # the tap
        columns_grad,
        counts.cumsum(0) - counts,  # where the entries of a row begin
        mode='sum',
        per_sample_weights=factors.flatten()[order],
    )


def _flatten(weight):
    """(O, K * C), in the order of the rows."""
    return weight.flatten(2).transpose(1, 2).reshape(len(weight), -1)
