"""Peaks of the heat-map: the detections (paper, section 3, "from points to bounding boxes")."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .device import immediate


def find_peaks(heatmap: Tensor, k: int, kernel: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """The ``k`` highest cells that no neighbour exceeds.

    Works on logits as well as on probabilities, the sigmoid being monotone; taking it of the
    ``k`` survivors alone saves it on the other cells.

    Legend: B images, C classes, H x W cells, K = min(k, C H W).

    Args:
        heatmap: logits or probabilities. (B, C, H, W)
        k: number of peaks per image.
        kernel: side of the neighbourhood, odd; a cell equal to its maximum is a peak.

    Returns:
        values: heat-map values in falling order, without a gradient; -inf where an image has fewer
            peaks. (B, K)
        labels: class of each peak. (B, K), int64
        cells: (x, y) of each peak. (B, K, 2), int64
    """
    heatmap = heatmap.detach()
    if immediate(heatmap) and len(heatmap) > 1:
        # One image's maps at a time stay in the cache.
        found = [find_peaks(image, k, kernel) for image in heatmap.split(1)]
        return tuple(torch.cat(parts) for parts in zip(*found, strict=True))
    height, width = heatmap.shape[2:]
    peaks = _local_max(heatmap, kernel)
    # Masks are slow on CPU: 1 / (1 or 0) - 1 is 0 at peaks and infinite elsewhere.
    peaks = peaks.le_(heatmap).reciprocal_().sub_(1)
    peaks = torch.sub(heatmap, peaks, out=peaks).flatten(1, 2)  # (B, C H, W)
    # The k highest cells lie in the k rows with the highest maxima.
    rows = peaks.amax(2).topk(min(k, peaks.shape[1])).indices  # (B, R)
    found = peaks.gather(1, rows[:, :, None].expand(-1, -1, width)).flatten(1)  # (B, R W)
    values, index = found.topk(min(k, found.shape[1]))  # (B, K)
    row = rows.gather(1, index // width)
    return values, row // height, torch.stack([index % width, row % height], dim=-1)


def gather_cells(feature: Tensor, cells: Tensor) -> Tensor:
    """Read a map at cells.

    Args:
        feature: (B, D, H, W).
        cells: (x, y), within the map. (B, K, 2), int64

    Returns:
        Values. (B, K, D)
    """
    index = cells[..., 1] * feature.shape[-1] + cells[..., 0]  # (B, K)
    index = index[:, None].expand(-1, feature.shape[1], -1)  # (B, D, K)
    return feature.flatten(2).gather(2, index).transpose(1, 2)


def _local_max(heatmap: Tensor, kernel: int) -> Tensor:
    """Maximum of every cell's neighbourhood. (B, C, H, W)"""
    if not immediate(heatmap):
        return F.max_pool2d(heatmap, kernel, stride=1, padding=kernel // 2)
    # PyTorch's pooling on CPU goes cell by cell; maxima of shifted maps are many times faster.
    for axis in (2, 3):
        source, length = heatmap, heatmap.shape[axis]
        heatmap = source.clone()
        for shift in range(1, min(kernel // 2, length - 1) + 1):
            for here, there in ((shift, 0), (0, shift)):
                part = heatmap.narrow(axis, here, length - shift)
                torch.maximum(part, source.narrow(axis, there, length - shift), out=part)
    return heatmap
