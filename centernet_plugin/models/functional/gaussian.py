"""Gaussian radius of an object, and the gaussians drawn at centres (paper, section 3)."""

from collections.abc import Iterator

import torch
from torch import Tensor

from .device import immediate

RADIUS_RULES = ('historical', 'corrected')
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
    canvas: Tensor, cells: Tensor, radii: Tensor, rows: Tensor, weight: Tensor, max_radius: int
) -> None:
    """Raise maps to the gaussian of every object, where it is higher; its peak is exactly 1.

    Only the windows are touched, so the cost grows with the cells that objects cover. No device
    sync: on CPU objects are grouped by radius, elsewhere all get the largest window.

    Legend: N objects, S maps of H x W cells.

    Args:
        canvas: the maps, changed in place. (S, H, W)
        cells: integer centre cells (x, y), within the maps. (N, 2)
        radii: integer-valued radii; standard deviation is (2 r + 1) / 6 and the window ends at
            the radius. (N,)
        rows: map of each object. (N,), int64
        weight: 1 draws the object, 0 leaves it out. (N,)
        max_radius: no radius is larger.
    """
    height, width = canvas.shape[-2:]
    flat, sigma = canvas.view(-1), gaussian_sigma(radii.to(canvas.dtype))
    for part, reach in _by_reach(radii, max_radius):
        steps = torch.arange(-reach, reach + 1, device=canvas.device)  # k = 2 reach + 1
        profile = torch.exp(-(steps.to(canvas.dtype) ** 2) / (2 * sigma[part, None] ** 2))
        profile = profile * (steps.abs() <= radii[part, None])  # (n, k), along x and along y
        x, y = (cells[part].T[:, :, None] + steps).unbind()  # (n, k)
        column = profile * ((x >= 0) & (x < width))
        row = profile * ((y >= 0) & (y < height)) * weight[part, None]
        y = rows[part, None] * height + y.clamp(0, height - 1)
        index = y[:, :, None] * width + x.clamp(0, width - 1)[:, None]  # (n, k, k)
        window = row[:, :, None] * column[:, None]
        flat.scatter_reduce_(0, index.view(-1), window.view(-1), 'amax')


def _by_reach(radii: Tensor, max_radius: int) -> Iterator[tuple[Tensor, int]]:
    """Groups of objects, and the radius of the windows that hold each group."""
    if immediate(radii):
        level = radii.add(1).log2().ceil()  # at most four times the cells that are needed
        groups = [(level == value).nonzero()[:, 0] for value in level.unique()]
        reaches = [int(radii[group].max()) for group in groups]
    else:
        groups, reaches = [torch.arange(len(radii), device=radii.device)], [max_radius]
    for group, reach in zip(groups, reaches, strict=True):
        for part in group.split(max(1, CHUNK // (2 * reach + 1) ** 2)):
            yield part, reach
