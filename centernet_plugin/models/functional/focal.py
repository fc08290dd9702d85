"""Penalty-reduced focal loss of the centre heat-map and its gradient (paper, equation 1).

Legend: B images, C classes, H x W cells, S planes (image and class) that have objects, N objects.
"""

import functools
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .device import immediate
from .heatmap import HeatmapTarget

CPU_CHUNK = 2**16  # cells at once: what is computed of them stays in the cache of a core
CHUNK = 2**22  # elsewhere: few kernels, and temporaries small against the map


def focal_loss_and_gradient(
    logits: Tensor,
    target: HeatmapTarget,
    *,
    alpha: float = 2.0,
    beta: float = 4.0,
    clamp: float | None = 1e-4,
    with_gradient: bool = True,
    compile: bool = False,
    avg_factor: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """The loss, and its gradient computed along with it, without a device sync.

    Nearly every cell is background with target 0, and all of those are treated alike: first every
    cell as if it were one, in parts that stay in the cache; then the S planes with objects are put
    right, then the N peaks. Beside the logits and the gradient no map is ever whole.

    Args:
        logits, target, alpha, beta, clamp, avg_factor: see
            :func:`~centernet_plugin.models.losses.heatmap_focal_loss`.
        with_gradient: whether the gradient is wanted.
        compile: let ``torch.compile`` make one kernel of what is done to every cell.

    Returns:
        Scalar, float32 (float64 for float64 logits).
        Gradient, in the layout of the logits; None if not wanted. (B, C, H, W), dtype of the loss
    """
    dtype = torch.promote_types(logits.dtype, torch.float32)  # half precision overflows in squares
    total = target.counts.sum().clamp(min=1) if avg_factor is None else avg_factor
    scale = 1 / total.to(dtype)
    if not logits.is_contiguous(memory_format=torch.channels_last):
        logits = logits.contiguous()
    everywhere = len(target.planes) == logits.shape[0] * logits.shape[1]
    if everywhere:
        costs, gradient = [], torch.empty_like(logits, dtype=dtype) if with_gradient else None
    else:
        cost, gradient = _as_background(logits, scale, alpha, clamp, with_gradient, compile)
        costs = [cost]
    for rows in _rows(target):
        plane = (target.planes[rows] // logits.shape[1], target.planes[rows] % logits.shape[1])
        cost, slope = background_cost(logits[plane].to(dtype), alpha, clamp)  # (s, H, W)
        weight = (1 - target.values[rows].to(dtype)).pow(beta / 2).square()
        if target.ignore is not None:
            weight *= 1 - target.ignore[rows]
        costs.append((cost * (weight if everywhere else weight - 1)).sum())
        if gradient is not None:
            gradient[plane] = slope * weight * scale
    peaks = _unravel(target.peaks, target.shape)
    cost, slope = peak_cost(logits[peaks].to(dtype), alpha, clamp)  # (N,)
    costs.append((cost * target.counts).sum())
    if gradient is not None:
        gradient.index_put_(peaks, slope * target.counts * scale, accumulate=True)
    return torch.stack(costs).sum() * scale, gradient


def background_cost(logits: Tensor, alpha: float, clamp: float | None) -> tuple[Tensor, Tensor]:
    """-p^alpha log(1 - p) of each cell of probability p, and the derivative by the logit."""
    p = unclamped = logits.sigmoid()
    if clamp is None:
        cost, q = F.softplus(logits), 1 - p
    else:
        p = p.clamp(clamp, 1 - clamp)
        q = 1 - p
        cost = q.log().neg_()
    power = p.pow(alpha)
    slope = q.mul_(cost).mul_(alpha).add_(p).mul_(power)
    if clamp is not None:
        slope.masked_fill_(p != unclamped, 0)
    return cost.mul_(power), slope


def peak_cost(logits: Tensor, alpha: float, clamp: float | None) -> tuple[Tensor, Tensor]:
    """-(1 - p)^alpha log(p) of each cell and the derivative by the logit."""
    p = unclamped = logits.sigmoid()
    log_p = F.logsigmoid(logits)
    if clamp is not None:
        p = p.clamp(clamp, 1 - clamp)
        log_p = p.log()
    power = (1 - p).pow(alpha)
    slope = power * (alpha * p * log_p - (1 - p))
    return -power * log_p, slope * (p == unclamped)


def _as_background(
    logits: Tensor,
    scale: Tensor,
    alpha: float,
    clamp: float | None,
    with_gradient: bool,
    compile: bool,
) -> tuple[Tensor, Tensor | None]:
    """Cost of the maps if they had no object, and its gradient times a scale."""
    if compile:
        cost, gradient = _compiled()(logits, scale, alpha, clamp)
        return cost, gradient if with_gradient else None
    gradient = torch.empty_like(logits, dtype=scale.dtype) if with_gradient else None
    costs = []
    for cells, *out in _parts(logits, *([] if gradient is None else [gradient])):
        cost, slope = background_cost(cells.to(scale.dtype), alpha, clamp)
        costs.append(cost.sum())
        for part in out:
            torch.mul(slope, scale, out=part)
    return torch.stack(costs).sum(), gradient


def _every_cell(
    logits: Tensor, scale: Tensor, alpha: float, clamp: float | None
) -> tuple[Tensor, Tensor]:
    """:func:`_as_background` in one go, to be compiled."""
    cost, slope = background_cost(logits.to(scale.dtype), alpha, clamp)
    # Compiled sums are plain loops: in float32 they lose the sixth digit over a whole map.
    return cost.sum(dtype=torch.float64).to(scale.dtype), slope * scale


@functools.cache
def _compiled():
    return torch.compile(_every_cell, fullgraph=True)


def _unravel(places: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, ...]:
    """Indices of places in a flat map; torch's own copies the shape to the device and waits."""
    found = []
    for length in reversed(shape):
        found.append(places % length)
        places = places // length
    return tuple(reversed(found))


def _parts(*maps: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Pieces of maps of one layout, as they lie in memory."""
    if not maps[0].is_contiguous():
        maps = [x.permute(0, 2, 3, 1) for x in maps]  # channels last
    return zip(*(x.view(-1).split(_chunk(x)) for x in maps), strict=True)


def _rows(target: HeatmapTarget) -> Iterator[slice]:
    """Groups of the planes kept, of about the size of a piece."""
    count, cells = len(target.planes), target.shape[2] * target.shape[3]
    step = max(1, _chunk(target.values) // cells)
    return (slice(start, start + step) for start in range(0, count, step))


def _chunk(x: Tensor) -> int:
    return CPU_CHUNK if immediate(x) else CHUNK
