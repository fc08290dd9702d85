"""Boxes and heat-maps drawn on images with OpenCV alone; no window, no fonts to install.

Images are uint8 (H, W, 3) in BGR. No function changes its input.
"""

from collections.abc import Sequence

import cv2
import numpy as np

FONT = cv2.FONT_HERSHEY_SIMPLEX
# Bright, far apart in hue and told apart by the colour-blind; BGR.
PALETTE = (
    (60, 180, 255),
    (255, 160, 70),
    (120, 225, 110),
    (200, 110, 255),
    (240, 235, 80),
    (100, 110, 250),
    (255, 130, 170),
    (120, 235, 235),
)


def class_color(label: int) -> tuple[int, int, int]:
    """Colour of a class, BGR; the same in every picture, repeated after the last one."""
    return PALETTE[int(label) % len(PALETTE)]


def draw_boxes(
    image: np.ndarray,
    boxes: np.ndarray | Sequence,
    labels: np.ndarray | Sequence[int],
    scores: np.ndarray | Sequence[float] | None = None,
    class_names: Sequence[str] = (),
    *,
    notes: Sequence[str] = (),
    colors: Sequence[tuple[int, int, int]] | None = None,
    dashed: Sequence[bool] = (),
    scale: float = 1,
    thickness: int | None = None,
    crowded: float = np.inf,
) -> np.ndarray:
    """Draw labelled boxes, the best one on top.

    Args:
        image: Image, uint8 (H, W, 3) BGR, or grey (H, W).
        boxes: (N, 4) as x1, y1, x2, y2 in pixels of `image`; parts outside are cut, boxes that are
            not finite are left out.
        labels: (N,) class indices.
        scores: (N,) in [0, 1], written after the name.
        class_names: Names by class index; a class without one shows its number.
        notes: Further text per box, '' for none; as many as boxes, or empty.
        colors: BGR per box; None for those of the classes.
        dashed: Which boxes have a dashed line; as many as boxes, or empty for none.
        scale: Enlarge the image by this first, so that text on a small image can be read.
        thickness: Of lines in pixels; None for what suits the size of the picture.
        crowded: A name that would hide more than this share of its size of other names is left
            out.

    Returns:
        New image, (round(H * scale), round(W * scale), 3).
    """
    canvas = enlarge(image, scale)
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4) * scale
    labels = np.asarray(labels, int).reshape(-1)
    colors = [class_color(label) for label in labels] if colors is None else colors
    height, width = canvas.shape[:2]
    order = np.arange(len(boxes)) if scores is None else np.argsort(np.asarray(scores))
    order = [i for i in order if np.isfinite(boxes[i]).all()]
    thickness = thickness or max(1, round(min(height, width) / 180))
    corners = np.clip(boxes, -1, [width, height] * 2)
    for i in order:
        x1, y1, x2, y2 = np.round(corners[i]).astype(int).tolist()
        x2, y2 = max(x1, x2), max(y1, y2)
        frame = _dashes if len(dashed) and dashed[i] else cv2.rectangle
        frame(canvas, (x1, y1), (x2, y2), (20, 20, 20), thickness + 2)
        frame(canvas, (x1, y1), (x2, y2), colors[i], thickness)
    best_first = order[::-1]
    texts = [tag_text(i, labels, scores, class_names, notes) for i in best_first]
    places = [np.round(corners[i]).astype(int).tolist() for i in best_first]
    draw_tags(canvas, texts, places, [colors[i] for i in best_first], crowded)
    return canvas


def overlay_heatmap(
    image: np.ndarray,
    heatmap: np.ndarray,
    *,
    scale: float = 1,
    strength: float = 0.9,
    colormap: int = cv2.COLORMAP_INFERNO,
) -> np.ndarray:
    """Lay a centre heat-map over the image, which is dimmed and turned grey for it.

    Args:
        image: Image, uint8 (H, W, 3) BGR, or grey (H, W).
        heatmap: Probabilities (C, h, w) or (h, w) that span the same field as the image, whatever
            their resolution; of several classes the largest counts.
        scale: Enlarge the image by this first.
        strength: Opacity where the probability is 1.
        colormap: OpenCV's colour map.

    Returns:
        New image, (round(H * scale), round(W * scale), 3).
    """
    canvas = enlarge(image, scale)
    heat = np.nan_to_num(np.asarray(heatmap, np.float32))
    if heat.ndim == 3:
        heat = heat.max(axis=0)
    if heat.ndim != 2 or not heat.size:
        raise ValueError(f'heatmap must be (C, h, w) or (h, w), got {np.shape(heatmap)}')
    size = (canvas.shape[1], canvas.shape[0])
    heat = np.clip(cv2.resize(heat, size, interpolation=cv2.INTER_CUBIC), 0, 1)
    grey = cv2.cvtColor(canvas, cv2.COLOR_BGR2GRAY).astype(np.float32)
    base = 0.7 * (0.7 * grey[..., None] + 0.3 * canvas)
    glow = heat**0.65  # lifts faint peaks, not the background's few percent
    paint = cv2.applyColorMap(np.round(255 * (0.15 + 0.85 * glow)).astype(np.uint8), colormap)
    alpha = strength * np.clip(1.25 * glow, 0, 1)[..., None]
    return np.round(base + alpha * (paint - base)).clip(0, 255).astype(np.uint8)


def crop_heatmap(heatmap: np.ndarray, meta: dict, stride: int = 4) -> np.ndarray:
    """Cut the part of a heat-map that shows the image out of the padded input's.

    Args:
        heatmap: (C, h, w) of the whole network input.
        meta: `border` (top, bottom, left, right of the image in the input) or, where the image
            lies in the upper left corner, `img_shape` (H, W), in input pixels.
        stride: Input pixels per cell.

    Returns:
        (C, H, W), one cell per input pixel.
    """
    size = (heatmap.shape[2] * stride, heatmap.shape[1] * stride)
    planes = [cv2.resize(p, size, interpolation=cv2.INTER_CUBIC) for p in heatmap]
    height, width = meta['img_shape'][:2]
    top, bottom, left, right = (round(float(v)) for v in meta.get('border', (0, height, 0, width)))
    return np.stack(planes)[:, top:bottom, left:right]


def enlarge(image: np.ndarray, scale: float) -> np.ndarray:
    """Copy of the image in three channels, resized by `scale`."""
    image = np.asarray(image, np.uint8)
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    if scale == 1:
        return np.ascontiguousarray(image).copy()
    size = tuple(max(1, round(s * scale)) for s in image.shape[1::-1])
    return cv2.resize(image, size, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)


def tag_text(
    i: int,
    labels: Sequence[int],
    scores: Sequence[float] | None,
    class_names: Sequence[str],
    notes: Sequence[str],
) -> str:
    """What stands on the tag of object i: its class, or the class's index; its score; its note."""
    label = int(labels[i])
    words = [class_names[label] if 0 <= label < len(class_names) else str(label)]
    if scores is not None:
        words.append(f'{float(scores[i]):.2f}')
    if len(notes):
        words.append(notes[i])
    return ' '.join(filter(None, words))


def draw_tags(
    canvas: np.ndarray,
    texts: Sequence[str],
    boxes: Sequence[Sequence[int]],
    colors: Sequence[tuple[int, int, int]],
    crowded: float = np.inf,
) -> None:
    """Write tags on the canvas, the most important first.

    Call it after all boxes are drawn, so that no line crosses a name.

    Args:
        canvas: uint8 (H, W, 3) BGR, changed in place.
        texts: one each; of an empty one nothing is drawn.
        boxes: x1, y1, x2, y2 in whole pixels, what the tags belong to.
        colors: of their plates, BGR.
        crowded: a tag that would hide more than this share of its size of earlier tags is left out.
    """
    font = float(np.clip(min(canvas.shape[:2]) / 1150, 0.33, 1.0))
    taken: list[tuple[int, int, int, int]] = []
    for text, box, color in zip(texts, boxes, colors, strict=True):
        plate = _draw_tag(canvas, text, box, color, font, taken, crowded)
        taken += [plate] if plate else []


def _draw_tag(
    canvas: np.ndarray,
    text: str,
    box: Sequence[int],
    color: tuple[int, int, int],
    font: float,
    taken: Sequence[tuple[int, int, int, int]],
    crowded: float,
) -> tuple[int, int, int, int] | None:
    """Write text on a plate at the box, where it hides least of the plates that are `taken`.

    Returns:
        The plate as x1, y1, x2, y2, inside the canvas; None if there is no text, or no place for
        it that hides at most the share `crowded`.
    """
    if not text:
        return None
    height, width = canvas.shape[:2]
    (w, h), _ = cv2.getTextSize(text, FONT, font, 1)
    pad = max(2, round(0.3 * h))
    w, h = w + 2 * pad, h + 2 * pad
    x1, y1, x2, y2 = box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1
    places = [(x1, y1 - h), (x2 - w, y1 - h), (x1, y2), (x2 - w, y2), (x1, y1), (x2 - w, y1)]
    best, least = None, np.inf
    for x, y in places:
        left, top = max(0, min(x, width - w)), max(0, min(y, height - h))
        plate = (left, top, left + w, top + h)
        # A place off the canvas was moved onto it and may hide the object: last resort.
        overlap = sum(_overlap(plate, other) for other in taken)
        hidden = overlap + 0.1 * w * abs(top - y)
        if overlap <= crowded * w * h and hidden < least:
            best, least = plate, hidden
    if best is None:
        return None
    cv2.rectangle(canvas, best[:2], (best[2] - 1, best[3] - 1), color, -1)
    ink = (25, 25, 25) if np.dot(color, (0.114, 0.587, 0.299)) > 110 else (255, 255, 255)
    start = (best[0] + pad, best[3] - pad - 1)
    cv2.putText(canvas, text, start, FONT, font, ink, 1, cv2.LINE_AA)
    return best


def _dashes(
    canvas: np.ndarray,
    corner: tuple[int, int],
    opposite: tuple[int, int],
    color: tuple[int, int, int],
    thickness: int,
) -> None:
    """What cv2.rectangle draws, with gaps."""
    (x1, y1), (x2, y2) = corner, opposite
    corners = np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2), (x1, y1)], float)
    for start, end in zip(corners[:-1], corners[1:], strict=True):
        length = np.abs(end - start).max()
        pieces = 2 * max(1, round(length / 16)) + 1  # ends with a dash at either corner
        points = np.linspace(start, end, pieces + 1).round().astype(int)
        for a, b in zip(points[:-1:2], points[1::2], strict=True):
            cv2.line(canvas, a.tolist(), b.tolist(), color, thickness)


def _overlap(a: Sequence[int], b: Sequence[int]) -> int:
    """Common area of two boxes."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(0, width) * max(0, height)
