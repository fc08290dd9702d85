"""Gaussian radius of an object, and the gaussians drawn at centres (paper, section 3)."""

import bisect
from collections.abc import Iterator

import torch
from torch import Tensor

from .device import immediate

RADIUS_RULES = ('historical', 'corrected')
FEW = 1000  # objects
CHUNK = 2**22  # cells of windows alive at once: 16 MiB, and twice that for their positions


def gaussian_radius(
    height: Tensor, width: Tensor, min_overlap: float = 0.7, rule: str = 'historical'
) -> Tensor:
    """Largest corner displacement that keeps an IoU of ``min_overlap`` with the box.

    A displaced box may contain the box, lie inside it, or be shifted; each case is one
    quadratic, and the smallest root counts (CornerNet, arXiv 1808.01244, section 3.2).

    Args:
        height, width: box sides in cells, any shape, floating point. The published targets round
            them up first.
        min_overlap: IoU that a displaced box keeps.
        rule: ``'historical'`` divides every root by 2 and takes the larger root of the first two
            quadratics, as the code did that trained all published weights (a square box of side
            ``s`` gets 0.273 s at 0.7). ``'corrected'`` solves the quadratics (0.082 s at 0.7; mmdet
            uses this one at 0.3, 0.226 s). Rule and overlap only make sense together.

    Returns:
        Radius in cells, same shape and dtype; not rounded, not negative for positive sides. By
        either rule a larger box never gets a smaller one.
    """
    if rule not in RADIUS_RULES:
        raise ValueError(f'unknown radius rule {rule!r}, choose one of {RADIUS_RULES}')
    m, total, area = min_overlap, height + width, height * width
    shifted = (1.0, total, area * (1 - m) / (1 + m))
    inside = (4.0, 2 * total, (1 - m) * area)
    outside = (4.0 * m, -2 * m * total, (m - 1) * area)
    roots = []
    for (a, b, c), sign in ((shifted, -1), (inside, -1), (outside, 1)):
        # Rounding can push the discriminant of a degenerate box a hair below zero.
        discriminant = (b * b - 4 * a * c).clamp(min=0).sqrt()
        if rule == 'historical':
            roots.append((b + discriminant) / 2)
        else:
            roots.append((b + sign * discriminant) / (2 * a))
    return torch.stack(roots).amin(0)


def gaussian_sigma(radii: Tensor) -> Tensor:
    """Standard deviation of the gaussian whose window ends at a radius: a sixth of the window."""
    return (2 * radii + 1) / 6


def draw_gaussians(
    canvas: Tensor, cells: Tensor, radii: Tensor, rows: Tensor, max_radius: int | None = None
) -> None:
    """Raise maps to the gaussian of every object, where it is higher; its peak is exactly 1.

    Only the windows are touched, so the cost grows with the cells that objects cover. No device
    sync: on CPU objects are grouped by radius, elsewhere all get the largest window.

    Legend: N objects, S maps of H x W cells, k cells along a side of a window.

    Args:
        canvas: the maps, changed in place. (S, H, W)
        cells: integer centre cells (x, y), within the maps. (N, 2)
        radii: integer-valued radii; standard deviation is (2 r + 1) / 6 and the window ends at
            the radius. Of a negative radius nothing is drawn. (N,), floating point
        rows: map of each object. (N,), int64
        max_radius: no radius is larger; needed where values cannot be looked at.
    """
    height, width = canvas.shape[-2:]
    groups = [(slice(None), max_radius)]
    if immediate(radii):
        radii, order = radii.sort()
        cells, rows = cells[order], rows[order]
        groups = _by_reach(radii)
    (x, y), first = cells.T[:, :, None], (rows * height)[:, None]
    falloff = (-0.5 / gaussian_sigma(radii) ** 2)[:, None]
    for group, reach in groups:
        steps = torch.arange(-reach, reach + 1, device=canvas.device)  # k
        square, distance = steps.to(falloff) ** 2, steps.abs()
        for part in _parts(group, len(radii), max(1, CHUNK // len(steps) ** 2)):
            profile = torch.exp(square * falloff[part])  # (n, k), along x and along y
            profile *= distance <= radii[part, None]
            # Beyond the border the last cell stands in; nearer to the centre, it is higher anyway.
            column = (x[part] + steps).clamp_(0, width - 1)
            row = (y[part] + steps).clamp_(0, height - 1).add_(first[part]).mul_(width)
            index = row[:, :, None] + column[:, None]  # (n, k, k)
            window = profile[:, :, None] * profile[:, None]
            canvas.view(-1).scatter_reduce_(0, index.view(-1), window.view(-1), 'amax')


def _by_reach(radii: Tensor) -> list[tuple[slice, int]]:
    """Groups of objects sorted by radius, each with the radius of the windows that hold it."""
    values, groups, start = radii.tolist(), [], 0
    # Few objects: to call costs more than the cells that are drawn for nothing.
    factor = 4 if len(values) < FEW else 2
    while start < len(values):
        limit = factor * (values[start] + 1)
        stop = bisect.bisect_left(values, limit, lo=start)
        if values[stop - 1] >= 0:
            groups.append((slice(start, stop), int(values[stop - 1])))
        start = stop
    return groups


def _parts(group: slice, count: int, size: int) -> Iterator[slice]:
    start, stop, _ = group.indices(count)
    return (slice(i, min(i + size, stop)) for i in range(start, stop, size))
