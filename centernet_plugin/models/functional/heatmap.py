"""The centre heat-map that training compares with, without the planes that nothing is on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .device import immediate
from .gaussian import draw_gaussians

NO_PEAK = 0.9999  # the published value


@dataclass
class HeatmapTarget:
    """Gaussians at the centres of objects, stored for the planes that have any.

    Of the B C planes of a batch few have objects: 7 of COCO's 80 classes are on an image. All other
    planes are 0 and are not kept.

    Legend: B images, C classes, H x W cells, S planes kept, N objects.

    Attributes:
        shape: (B, C, H, W).
        planes: image times C plus class of each plane kept, all different. (S,), int64
        values: gaussians, 1 at centres, 0 on planes without objects. (S, H, W), float32
        peaks: centre cell of each object, as its place in the flat map. (N,), int64
        counts: 1 for the first object of each centre cell, 0 for others on the same cell and for
            objects that are not on the map. (N,), float32
        ignore: 1 where background does not count, or None. (S, H, W)
    """

    shape: tuple[int, int, int, int]
    planes: Tensor
    values: Tensor
    peaks: Tensor
    counts: Tensor
    ignore: Tensor | None = None

    @classmethod
    def from_dense(cls, heatmap: Tensor, ignore: Tensor | None = None) -> 'HeatmapTarget':
        """From a map (B, C, H, W) in [0, 1], exactly 1 at peaks; one device sync."""
        peaks = (heatmap == 1).flatten().nonzero()[:, 0]
        return cls(
            shape=tuple(heatmap.shape),
            planes=torch.arange(heatmap.shape[0] * heatmap.shape[1], device=heatmap.device),
            values=heatmap.flatten(0, 1),
            peaks=peaks,
            counts=torch.ones(len(peaks), device=heatmap.device),
            ignore=None if ignore is None else ignore.flatten(0, 1),
        )

    def dense(self) -> Tensor:
        """The whole heat-map. (B, C, H, W), float32"""
        return self._whole(self.values)

    def dense_ignore(self) -> Tensor | None:
        """1 where background does not count, or None. (B, C, H, W)"""
        return None if self.ignore is None else self._whole(self.ignore)

    def _whole(self, values: Tensor) -> Tensor:
        images, classes, *size = self.shape
        whole = values.new_zeros(images * classes, *size)
        return whole.index_copy_(0, self.planes, values).view(self.shape)


def build_heatmap_target(
    planes: Tensor,
    cells: Tensor,
    radii: Tensor,
    shape: tuple[int, int, int, int],
    *,
    max_radius: int | None = None,
    ignored: tuple[Tensor, Tensor] | None = None,
    shadows: tuple[Tensor, Tensor, Tensor] | None = None,
) -> HeatmapTarget:
    """Elementwise maximum of one gaussian per object (paper, section 3), without a device sync.

    Legend: N objects, R regions.

    Args:
        planes: image times C plus class of each object. (N,), int64
        cells: centre cell (x, y). (N, 2), int64
        radii: integer-valued, floating point; a negative one leaves an object out. (N,)
        shape: (B, C, H, W).
        max_radius: no radius is larger; needed where values cannot be looked at.
        ignored: plane and box of regions where background does not count: (R,), int64, and x1,
            y1, x2, y2 in cells, (R, 4).
        shadows: plane, cell and radius of what is no object, but drawn like one, its centre at
            0.9999: no peak, and next to no background. (R,), (R, 2), (R,)
    """
    images, classes, height, width = shape
    count, on_plane = len(planes), planes
    if ignored is not None:
        on_plane = torch.cat([planes, ignored[0]])
    if shadows is not None:
        on_plane = torch.cat([on_plane, shadows[0]])
    kept, row = _occupied(on_plane, images * classes)
    values = cells.new_zeros((len(kept), height, width), dtype=torch.float32)
    row, others = row[:count], row[count:]
    if shadows is not None:
        _draw_shadows(values, *shadows[1:], others[-len(shadows[0]) :], max_radius)
    draw_gaussians(values, cells, radii, row, max_radius)
    ignore = None
    if ignored is not None:
        ignore = _cover(torch.zeros_like(values), ignored[1], others[: len(ignored[0])])
    peaks = (planes * height + cells[:, 1]) * width + cells[:, 0]
    return HeatmapTarget(
        shape=shape,
        planes=kept,
        values=values,
        peaks=peaks,
        counts=_first_of_each(peaks, radii >= 0),
        ignore=ignore,
    )


def _draw_shadows(
    values: Tensor, cells: Tensor, radii: Tensor, rows: Tensor, max_radius: int | None
) -> None:
    """Gaussians that end below 1; objects are drawn over them."""
    draw_gaussians(values, cells, radii, rows, max_radius)
    values.clamp_(max=NO_PEAK)


def _occupied(planes: Tensor, num_planes: int) -> tuple[Tensor, Tensor]:
    """The planes that anything is on, and the place of each object's plane among them.

    Their number is known on CPU only. Elsewhere it costs a sync, so there as many are kept as there
    can be: the planes behind the occupied ones are other, empty ones.
    """
    if immediate(planes):
        return planes.unique(return_inverse=True)
    occupied = planes.new_zeros(num_planes).index_fill_(0, planes, 1)
    kept = occupied.argsort(descending=True, stable=True)[: len(planes)]
    row = torch.empty_like(occupied)
    row[kept] = torch.arange(len(kept), device=planes.device)
    return kept, row[planes]


def _first_of_each(keys: Tensor, valid: Tensor) -> Tensor:
    """1 for one valid object of each key, 0 for all others. (N,), float32"""
    keys, order = torch.where(valid, keys, -1).sort(stable=True)
    first = keys >= 0
    first[1:] &= keys[1:] != keys[:-1]
    return torch.empty_like(keys, dtype=torch.float32).index_copy_(0, order, first.float())


def _cover(canvas: Tensor, boxes: Tensor, rows: Tensor) -> Tensor:
    """Set maps (S, H, W) to 1 at the cells that boxes (R, 4) on them touch."""
    inside = []
    for length, (low, high) in zip(canvas.shape[1:], ((1, 3), (0, 2)), strict=True):
        cell = torch.arange(length, device=boxes.device)
        touched = (cell >= boxes[:, low, None].floor()) & (cell < boxes[:, high, None])
        inside.append(touched)  # rows (R, H), then columns (R, W)
    mask = inside[0][:, :, None] & inside[1][:, None]  # (R, H, W)
    return canvas.index_add_(0, rows, mask.to(canvas.dtype)).clamp_(max=1)
