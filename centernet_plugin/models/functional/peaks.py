"""Peaks of the heat-map: the detections (paper, section 3, "from points to bounding boxes")."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .device import immediate

CPU_CHUNK = 2**18  # cells at once


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

    Raises:
        ValueError: an even ``kernel``.
    """
    if kernel % 2 == 0:
        raise ValueError(f'the side of a neighbourhood is odd, got {kernel}')
    heatmap = heatmap.detach().contiguous()
    images, classes, height, width = heatmap.shape
    planes = heatmap.flatten(0, 1)  # (B C, H, W)
    # On CPU a few planes at a time, so that what is computed of them stays in the cache.
    parts = (planes,)
    if immediate(heatmap):
        parts = planes.split(max(1, CPU_CHUNK // (height * width)))
    best = torch.cat([_keep_peaks(part, kernel).amax(2) for part in parts])
    # The k highest peaks lie in the k rows with the highest ones, which are looked at once more.
    rows = best.view(images, classes * height)
    rows = rows.topk(torch.sym_min(k, rows.shape[1])).indices  # (B, R)
    y, reach = rows - rows // height * height, kernel // 2
    near = y[..., None] + torch.arange(-reach, reach + 1, device=y.device)  # (B, R, kernel)
    # Beyond the border the last row stands once more, which changes no maximum.
    near = near.clamp(0, height - 1) + (rows - y)[..., None]
    image = torch.arange(images, device=y.device)[:, None, None]
    strips = heatmap.view(images, classes * height, width)[image, near]
    found = _keep_peaks(strips.flatten(0, 1), kernel)[:, reach]
    found = found.reshape(images, rows.shape[1] * width)
    values, index = found.topk(torch.sym_min(k, found.shape[1]))  # (B, K)
    row = rows.gather(1, index // width)
    labels, x = row // height, index - index // width * width
    return values, labels, torch.stack([x, row - labels * height], dim=-1)


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


def _keep_peaks(planes: Tensor, kernel: int) -> Tensor:
    """-inf at every cell that a neighbour exceeds. (P, H, W)"""
    peaks = _local_max(planes, kernel)
    # Masks are slow on CPU: 1 / (1 or 0) - 1 is 0 at peaks and infinite elsewhere.
    peaks = peaks.le_(planes).reciprocal_().sub_(1)
    return torch.sub(planes, peaks, out=peaks)


def _local_max(planes: Tensor, kernel: int) -> Tensor:
    """Maximum of every cell's neighbourhood. (P, H, W)"""
    if not immediate(planes):
        return F.max_pool2d(planes, kernel, stride=1, padding=kernel // 2)
    # PyTorch's pooling on CPU goes cell by cell; maxima of shifted maps are many times faster.
    for axis in (1, 2):
        source, length = planes, planes.shape[axis]
        planes = source.clone()
        for shift in range(1, min(kernel // 2, length - 1) + 1):
            for here, there in ((shift, 0), (0, shift)):
                part = planes.narrow(axis, here, length - shift)
                torch.maximum(part, source.narrow(axis, there, length - shift), out=part)
    return planes
