"""Panels and contact sheets: several drawn images on one dark card.

Images are uint8 (H, W, 3) in BGR. No function changes its input.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from .draw import FONT, class_color, draw_boxes, overlay_heatmap

CARD = (32, 28, 26)  # background of a card, BGR
INK = (235, 235, 235)
FAINT_INK = (170, 165, 160)

Legend = Sequence[tuple[str, tuple[int, int, int]]]  # texts and colours, BGR


def side_by_side(
    image: np.ndarray,
    truth: dict,
    detections: dict,
    heatmap: np.ndarray | None = None,
    class_names: Sequence[str] = (),
    *,
    title: str = '',
    score_threshold: float = 0.3,
    panel_size: int = 480,
    details: Sequence[str] | None = None,
    legend: Legend | None = None,
    crowded: float = np.inf,
) -> np.ndarray:
    """Lay ground truth, detections and the heat-map of one image beside each other.

    The panels of an image more than twice as wide as high lie below each other.

    Args:
        image: Image, uint8 (H, W, 3) BGR.
        truth: `boxes` (N, 4) x1, y1, x2, y2, `labels` (N,) and, where wanted, `notes`, `colors`
            and `dashed` as :func:`draw_boxes` takes them.
        detections: `boxes` (M, 4), `labels` (M,), `scores` (M,) and likewise.
        heatmap: (C, h, w) or (h, w) in [0, 1] over the whole image; None leaves the panel out.
        class_names: Names by class index, also the legend.
        title: Written at the left of the bottom line.
        score_threshold: Detections below are not drawn.
        panel_size: Shorter side of each panel in pixels; the longer is at most three times as long.
        details: Written at the right above the truth and the detections; None for their numbers.
        legend: What the colours mean; None for the names of the classes.
        crowded: See :func:`draw_boxes`.

    Returns:
        Card, uint8 (H', W', 3) BGR.
    """
    height, width = image.shape[:2]
    scale = min(panel_size / min(height, width), 3 * panel_size / max(height, width))
    keep = np.asarray(detections['scores'], float).reshape(-1) >= score_threshold
    found = {
        name: [value for value, kept in zip(values, keep, strict=True) if kept]
        for name, values in detections.items()
    }
    panels = [
        draw_boxes(image, **objects, class_names=class_names, scale=scale, crowded=crowded)
        for objects in (truth, found)
    ]
    details = details or (
        _count(len(truth['labels']), 'object'),
        f'{int(keep.sum())} of score {score_threshold:g} or more',
    )
    captions = [('ground truth', details[0]), ('detections', details[1])]
    if heatmap is not None:
        panels.append(overlay_heatmap(image, heatmap, scale=scale))
        captions.append(('centre heat-map', 'largest of all classes'))
    body = [_captioned(p, *c) for p, c in zip(panels, captions, strict=True)]
    row = _stack(body, gap=14, axis=0 if width > 2 * height else 1)
    if legend is None:
        legend = [(name, class_color(label)) for label, name in enumerate(class_names)]
    footer = _footer(row.shape[1], title, legend, heatmap is not None)
    return _framed(_stack([row, footer], gap=8, axis=0), 16)


def contact_sheet(
    images: Sequence[np.ndarray],
    captions: Sequence[str] = (),
    *,
    columns: int = 4,
    gap: int = 10,
    title: str = '',
    legend: Legend = (),
) -> np.ndarray:
    """Lay pictures out on a grid, row by row; smaller ones are centred in their cell.

    Args:
        images: At least one image, uint8 (H, W, 3) BGR; sizes may differ.
        captions: Texts below the images, as many as images or none.
        columns: Images per row.
        gap: Distance between images and around them in pixels.
        title: Written at the left above all.
        legend: What the colours mean, at the right above all.

    Returns:
        Sheet, uint8 (H', W', 3) BGR.
    """
    if not len(images):
        raise ValueError('a contact sheet needs at least one image')
    tiles = list(images)
    if captions:
        tiles = [_captioned(t, c, below=True) for t, c in zip(tiles, captions, strict=True)]
    columns = max(1, min(columns, len(tiles)))
    height = max(t.shape[0] for t in tiles)
    width = max(t.shape[1] for t in tiles)
    cells = [_centered(t, height, width) for t in tiles]
    cells += [_card(height, width)] * (-len(cells) % columns)
    rows = [_stack(cells[i : i + columns], gap, axis=1) for i in range(0, len(cells), columns)]
    if title or legend:
        rows.insert(0, _footer(rows[0].shape[1], title, legend, with_heat=False))
    return _framed(_stack(rows, gap, axis=0), gap)


def _count(number: int, noun: str) -> str:
    return f'{number} {noun}' if number == 1 else f'{number} {noun}s'


def _captioned(image: np.ndarray, text: str, detail: str = '', below: bool = False) -> np.ndarray:
    strip = _card(34, image.shape[1])
    cv2.putText(strip, text, (2, 23), FONT, 0.62, INK, 1, cv2.LINE_AA)
    width = cv2.getTextSize(detail, FONT, 0.45, 1)[0][0]
    if detail and cv2.getTextSize(text, FONT, 0.62, 1)[0][0] + width + 12 < image.shape[1]:
        start = (image.shape[1] - width - 2, 23)
        cv2.putText(strip, detail, start, FONT, 0.45, FAINT_INK, 1, cv2.LINE_AA)
    return np.concatenate([image, strip] if below else [strip, image])


def _footer(width: int, title: str, legend: Legend, with_heat: bool) -> np.ndarray:
    """Title at the left, meaning of the colours at the right; below each other if need be."""
    strip = _card(30, width)
    cv2.putText(strip, title, (2, 20), FONT, 0.5, FAINT_INK, 1, cv2.LINE_AA)
    needed = sum(40 + cv2.getTextSize(name, FONT, 0.5, 1)[0][0] for name, _ in legend)
    needed += 180 if with_heat else 0
    left = 40 + cv2.getTextSize(title, FONT, 0.5, 1)[0][0] if title else 0
    if title and left + needed > width:
        return np.concatenate([_key(_card(30, width), 0, legend, with_heat), strip])
    return _key(strip, left, legend, with_heat)


def _key(strip: np.ndarray, left: int, legend: Legend, with_heat: bool) -> np.ndarray:
    """Write the meaning of the colours into the strip, right of `left`, as far as there is room."""
    right = strip.shape[1]
    if with_heat:
        bar = np.linspace(0.15, 1, 120)[None]
        bar = cv2.applyColorMap(np.round(255 * bar).astype(np.uint8), cv2.COLORMAP_INFERNO)
        right -= 14
        cv2.putText(strip, '1', (right + 4, 20), FONT, 0.45, FAINT_INK, 1, cv2.LINE_AA)
        right -= 120
        if right > 20:
            strip[8:22, right : right + 120] = bar
        right -= 14
        cv2.putText(strip, '0', (right, 20), FONT, 0.45, FAINT_INK, 1, cv2.LINE_AA)
        right -= 24
    for name, color in reversed(legend):
        right -= cv2.getTextSize(name, FONT, 0.5, 1)[0][0]
        if right - 22 < left:
            break
        cv2.putText(strip, name, (right, 20), FONT, 0.5, INK, 1, cv2.LINE_AA)
        right -= 22
        cv2.rectangle(strip, (right, 8), (right + 14, 22), color, -1, cv2.LINE_AA)
        right -= 18
    return strip


def _stack(images: Sequence[np.ndarray], gap: int, axis: int) -> np.ndarray:
    parts = [images[0]]
    for image in images[1:]:
        shape = (gap, image.shape[1]) if axis == 0 else (image.shape[0], gap)
        parts += [_card(*shape), image]
    return np.concatenate(parts, axis=axis)


def _centered(image: np.ndarray, height: int, width: int) -> np.ndarray:
    cell = _card(height, width)
    y, x = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
    cell[y : y + image.shape[0], x : x + image.shape[1]] = image
    return cell


def _framed(image: np.ndarray, margin: int) -> np.ndarray:
    height, width = image.shape[:2]
    return _centered(image, height + 2 * margin, width + 2 * margin)


def _card(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), CARD, np.uint8)
