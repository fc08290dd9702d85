"""Random ground truth and raw maps that both sides define the same results for."""

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.structures import InstanceData
from torch import Tensor

from ..models.functional.gaussian import gaussian_radius

STRIDE = 4
OVERLAP, RULE = 0.3, 'corrected'  # mmdet's gaussians
ROUNDS = 100


def draw_objects(
    images: int,
    objects: int,
    *,
    cells: int,
    classes: int,
    device: torch.device | str = 'cpu',
    seed: int = 0,
) -> list[InstanceData]:
    """Boxes of log-uniform sides, spread evenly over the images.

    What the two sides define differently is left out: sides are whole cells (ours rounds them up
    before it takes the radius), radii are not close to a whole number (which rounding would
    decide), boxes lie inside the map (mmdet fails at its edge) and the objects of an image in
    different cells (mmdet keeps one size and offset per cell).

    Args:
        images, objects: how many, all together.
        cells: side of the feature map.
        classes: number of classes.
        device: of the result.
        seed: of the boxes.

    Returns:
        ``bboxes`` in input pixels and ``labels`` of each image.

    Raises:
        ValueError: the map is too small for so many objects.
    """
    rng = np.random.default_rng(seed)
    counts = np.full(images, objects // images) + (np.arange(images) < objects % images)
    result = []
    for count in counts:
        boxes = _draw_boxes(rng, int(count), cells) * STRIDE
        labels = torch.from_numpy(rng.integers(0, classes, count))
        bboxes = torch.from_numpy(boxes).float()
        result.append(InstanceData(bboxes=bboxes.to(device), labels=labels.to(device)))
    return result


def draw_maps(
    heatmap: Tensor, *, seed: int = 0, background: float = -4.0, height: float = 6.0
) -> dict[str, Tensor]:
    """Raw maps of a network that sees the objects: smooth noise, and a peak at each centre.

    Args:
        heatmap: gaussians of the objects. (B, C, H, W)
        seed: of the noise.
        background: mean logit elsewhere.
        height: of a peak above it.

    Returns:
        ``heatmap`` (logits; (B, C, H, W)), ``size`` and ``offset`` ((B, 2, H, W)).
    """
    generator = torch.Generator().manual_seed(seed)
    batch, classes, rows, columns = heatmap.shape
    coarse = torch.randn(batch, classes, -(-rows // 4), -(-columns // 4), generator=generator)
    logits = F.interpolate(coarse, size=(rows, columns), mode='bilinear')
    logits += 0.02 * torch.randn(logits.shape, generator=generator)
    size, offset = torch.rand(2, batch, 2, rows, columns, generator=generator)
    maps = dict(heatmap=logits + background, size=1 + 20 * size, offset=offset)
    maps = {name: value.to(heatmap.device) for name, value in maps.items()}
    maps['heatmap'] += height * heatmap
    return maps


def _draw_boxes(rng: np.random.Generator, count: int, cells: int) -> np.ndarray:
    """x1, y1, x2, y2 in cells, eighths at most, which float32 computes with exactly. (count, 4)"""
    kept, taken = np.zeros((0, 4)), np.zeros(0, np.int64)
    for _ in range(ROUNDS):
        missing = count - len(kept)
        if not missing:
            return kept
        sides = np.floor(np.exp(rng.uniform(np.log(2), np.log(0.8 * cells), (2 * missing, 2))))
        corner = np.floor(rng.uniform(0, 1, sides.shape) * (cells - 1 - sides) * 8) / 8
        boxes = np.concatenate([corner, corner + sides], axis=1)
        boxes = boxes[_far_from_whole(sides)]
        center = np.floor((boxes[:, :2] + boxes[:, 2:]) / 2).astype(np.int64)
        place = np.concatenate([taken, center[:, 1] * cells + center[:, 0]])
        first = np.sort(np.unique(place, return_index=True)[1])[len(taken) :][:missing]
        kept = np.concatenate([kept, boxes[first - len(taken)]])
        taken = np.concatenate([taken, place[first]])
    raise ValueError(f'a map of {cells} x {cells} cells is too small for {count} objects')


def _far_from_whole(sides: np.ndarray) -> np.ndarray:
    """Whether the radius of boxes with these sides (N, 2) is the same in any rounding."""
    width, height = torch.from_numpy(sides).unbind(1)
    radius = gaussian_radius(height, width, OVERLAP, RULE).numpy()
    return np.abs(radius - np.round(radius)) > 1e-3
