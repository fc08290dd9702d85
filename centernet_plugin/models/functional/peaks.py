"""Peaks of the heat-map: the detections (paper, section 3, "from points to bounding boxes")."""

import torch
import torch.nn.functional as F
from torch import Tensor


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
        values: heat-map values in falling order; -inf where an image has fewer peaks. (B, K)
        labels: class of each peak. (B, K), int64
        cells: (x, y) of each peak. (B, K, 2), int64
    """
    height, width = heatmap.shape[-2:]
    local_max = F.max_pool2d(heatmap, kernel, stride=1, padding=kernel // 2)
    peaks = heatmap.masked_fill(heatmap < local_max, float('-inf')).flatten(1)
    values, index = peaks.topk(min(k, peaks.shape[1]))  # (B, K)
    labels = index // (height * width)
    cell = index % (height * width)
    cells = torch.stack([cell % width, cell // width], dim=-1)  # (B, K, 2)
    return values, labels, cells


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
