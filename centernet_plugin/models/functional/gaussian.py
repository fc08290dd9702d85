"""Gaussian radius of an object and the centre heat-map drawn from it (paper, section 3)."""

import torch
from torch import Tensor

RADIUS_RULES = ('historical', 'corrected')
CHUNK = 2**24  # cells of patterns alive at once: 64 MiB, 1024 objects on a map of 128 x 128


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
        Radius in cells, same shape and dtype; not rounded, not negative for positive sides.
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


def draw_heatmap(
    centers: Tensor, radii: Tensor, planes: Tensor, weight: Tensor, num_planes: int, size: tuple
) -> Tensor:
    """Elementwise maximum of one gaussian per object, peak exactly 1 (paper, section 3).

    Legend: N objects, P planes (image times class), H x W cells.

    Args:
        centers: integer centre cells (x, y). (N, 2)
        radii: integer-valued radii; standard deviation is (2 r + 1) / 6 and the window ends at
            the radius. (N,)
        planes: plane of each object. (N,), int64
        weight: 1 draws the object, 0 leaves it out. (N,)
        num_planes: P.
        size: (H, W).

    Returns:
        Heat-map in [0, 1]. (P, H, W), float32
    """
    height, width = size
    sigma = gaussian_sigma(radii.float())

    def profile(length: int, center: Tensor) -> Tensor:
        distance = torch.arange(length, device=center.device) - center[:, None]  # (N, length)
        value = torch.exp(-(distance.float() ** 2) / (2 * sigma[:, None] ** 2))
        return value * (distance.abs() <= radii[:, None])

    columns = profile(width, centers[:, 0])  # (N, W)
    rows = profile(height, centers[:, 1]) * weight[:, None].float()  # (N, H)
    return scatter_max(rows, columns, planes, num_planes)


def gaussian_sigma(radii: Tensor) -> Tensor:
    """Standard deviation of the gaussian whose window ends at a radius: a sixth of the window."""
    return (2 * radii + 1) / 6


def scatter_max(rows: Tensor, columns: Tensor, planes: Tensor, num_planes: int) -> Tensor:
    """Elementwise maximum, plane by plane, of patterns that are products of a row and a column.

    Args:
        rows: non-negative profile of each pattern along y. (N, H)
        columns: along x. (N, W)
        planes: plane of each pattern. (N,), int64
        num_planes: P.

    Returns:
        0 where there is no pattern. (P, H, W)
    """
    height, width = rows.shape[1], columns.shape[1]
    result = rows.new_zeros(num_planes, height * width)
    chunk = max(1, CHUNK // (height * width))
    for row, column, plane in zip(
        rows.split(chunk), columns.split(chunk), planes.split(chunk), strict=True
    ):
        patterns = (row[:, :, None] * column[:, None, :]).flatten(1)  # (N', H * W)
        result.scatter_reduce_(0, plane[:, None].expand_as(patterns), patterns, 'amax')
    return result.view(num_planes, height, width)
