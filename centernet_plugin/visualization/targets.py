"""What a network is shown and what it is told: an input with its boxes beside its targets.

Images are uint8 (H, W, 3) in BGR. No function changes its input.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from .draw import class_color, draw_boxes, overlay_heatmap
from .panel import CARD

IGNORED = (200, 200, 200)  # hatching and boxes of what does not count
CROWDED = 0.15  # of a name may be hidden by others; else the colour has to do


def draw_targets(
    image: np.ndarray,
    boxes: np.ndarray,
    labels: np.ndarray,
    ignored: np.ndarray,
    *,
    heatmap: np.ndarray,
    cells: np.ndarray,
    cell_labels: np.ndarray,
    ignore: np.ndarray | None = None,
    class_names: Sequence[str] = (),
    stride: int = 4,
    panel_size: int = 384,
) -> np.ndarray:
    """Lay an input with its boxes and its targets side by side.

    Legend: N objects, C classes, h x w cells, M centres.

    Args:
        image: network input, uint8 (H, W, 3) BGR; smaller than the map where it gets padded at the
            right and bottom.
        boxes: x1, y1, x2, y2 in pixels of `image`. (N, 4)
        labels: (N,).
        ignored: whether each is a crowd or to be ignored; dashed and grey. (N,), bool
        heatmap: target in [0, 1]. (C, h, w)
        cells: centre cells (x, y), where size and offset are learnt. (M, 2)
        cell_labels: class of the object at each. (M,)
        ignore: 1 where background does not count; hatched. (C, h, w) or None
        class_names: by class index.
        stride: pixels of `image` per cell.
        panel_size: longer side of each of the two in pixels.

    Returns:
        Picture, uint8 (H', W', 3) BGR.
    """
    height, width = (side * stride for side in heatmap.shape[1:])
    scale = panel_size / max(height, width)
    colors = [
        IGNORED if skip else class_color(label) for label, skip in zip(labels, ignored, strict=True)
    ]
    image = _padded(image, height, width)
    shown = draw_boxes(
        image,
        boxes,
        labels,
        class_names=class_names,
        colors=colors,
        dashed=ignored,
        notes=np.where(ignored, 'ignored', ''),
        scale=scale,
        crowded=CROWDED,
    )
    told = overlay_heatmap(image, heatmap, scale=scale)
    if ignore is not None:
        told = hatch(told, ignore.max(axis=0) > 0)
    _outline(told, np.asarray(boxes) * scale, colors)
    step = stride * scale
    for (x, y), label in zip(cells, cell_labels, strict=True):
        low = np.floor([x * step, y * step]).astype(int)
        high = np.maximum(np.ceil([(x + 1) * step, (y + 1) * step]).astype(int) - 1, low + 2)
        cv2.rectangle(told, (low - 1).tolist(), (high + 1).tolist(), (20, 20, 20), 1)
        cv2.rectangle(told, low.tolist(), high.tolist(), class_color(label), -1)
    gap = np.full((shown.shape[0], 4, 3), CARD, np.uint8)
    return np.concatenate([shown, gap, told], axis=1)


def hatch(image: np.ndarray, mask: np.ndarray, *, distance: int = 8) -> np.ndarray:
    """Draw diagonal lines over the part of an image where a mask of any resolution holds.

    Args:
        image: uint8 (H, W, 3).
        mask: (h, w), bool, over the same field.
        distance: of the lines in pixels.
    """
    height, width = image.shape[:2]
    mask = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    lines = np.add.outer(np.arange(height), np.arange(width)) % distance == 0
    result = image.copy()
    result[lines & (mask > 0)] = IGNORED
    return result


def _outline(canvas: np.ndarray, boxes: np.ndarray, colors: Sequence) -> None:
    limit = np.array(canvas.shape[1::-1] * 2)
    for box, color in zip(boxes, colors, strict=True):
        if np.isfinite(box).all():
            x1, y1, x2, y2 = np.round(np.clip(box, -1, limit)).astype(int).tolist()
            cv2.rectangle(canvas, (x1, y1), (x2, y2), color, 1)


def _padded(image: np.ndarray, height: int, width: int) -> np.ndarray:
    result = np.zeros((height, width, 3), np.uint8)
    part = image[:height, :width]
    result[: part.shape[0], : part.shape[1]] = part
    return result
