"""Pictures of what was found, what was missed and what is false in one image.

Images are uint8 (H, W, 3) in BGR. No function changes its input. Verdicts are the words of
:mod:`centernet_plugin.evaluation.verdicts`.
"""

from collections.abc import Sequence

import numpy as np

from .draw import PALETTE, draw_boxes
from .panel import CARD, side_by_side

RIGHT, FALSE, MISSED, IGNORED = PALETTE[1], PALETTE[3], PALETTE[0], (165, 165, 165)
LEGEND = (('right', RIGHT), ('false', FALSE), ('missed', MISSED), ('not counted', IGNORED))
COLORS = {
    'right': RIGHT,
    'found': RIGHT,
    'not found': MISSED,
    'low score': MISSED,
    'ignored': IGNORED,
}  # all others are false detections
CROWDED = 0  # names hide no others; the frames alone say what they are


def outcome_card(
    image: np.ndarray,
    truth: dict,
    detections: dict,
    heatmap: np.ndarray | None = None,
    class_names: Sequence[str] = (),
    *,
    title: str = '',
    threshold: float,
) -> np.ndarray:
    """Ground truth, detections and heat-map beside each other, right and wrong in colours.

    Args:
        image: Image, uint8 (H, W, 3) BGR.
        truth: `boxes` (N, 4) x1, y1, x2, y2, `labels` (N,), `verdicts` (N,), and `ious` (N,) and
            `scores` (N,) of the detections that took them.
        detections: likewise, `scores` (M,) being their own.
        heatmap: (C, h, w) or (h, w) in [0, 1] over the whole image; None leaves the panel out.
        class_names: Names by class index. An only class is not named at every box.
        title: Written at the left of the bottom line.
        threshold: The score from which on `detections` are there, for the caption.

    Returns:
        Card, uint8 (H', W', 3) BGR.
    """
    colors = [COLORS.get(kind, FALSE) for kind in detections['verdicts']]
    missed = sum(COLORS[kind] == MISSED for kind in truth['verdicts'])
    counted = sum(kind != 'ignored' for kind in truth['verdicts'])
    return side_by_side(
        image,
        _painted(truth),
        _painted(detections) | {'scores': detections['scores']},
        heatmap,
        class_names if len(class_names) > 1 else [''],
        title=title,
        score_threshold=-np.inf,
        details=(
            f'{missed} of {counted} missed' if counted else 'no objects',
            f'score {threshold:.3g} or more: {colors.count(RIGHT)} right, '
            f'{colors.count(FALSE)} false',
        ),
        legend=LEGEND,
        crowded=CROWDED,
    )


def outcome_tile(
    image: np.ndarray, truth: dict, detections: dict, *, size: tuple[int, int] = (480, 360)
) -> np.ndarray:
    """All of it in one small picture, without text.

    Args:
        image: Image, uint8 (H, W, 3) BGR.
        truth: as :func:`outcome_card`'s.
        detections: likewise.
        size: Width and height; what the image leaves free is dark.

    Returns:
        Picture, uint8 (height, width, 3) BGR.
    """
    boxes = [*detections['boxes'], *truth['boxes']]
    verdicts = [*detections['verdicts'], *truth['verdicts']]
    shown = [i for i, kind in enumerate(verdicts) if kind != 'found']  # its detection is shown
    picture = draw_boxes(
        image,
        [boxes[i] for i in shown],
        [0] * len(shown),
        class_names=[''],
        colors=[COLORS.get(verdicts[i], FALSE) for i in shown],
        dashed=[verdicts[i] == 'ignored' for i in shown],
        scale=min(size[0] / image.shape[1], size[1] / image.shape[0]),
        thickness=2,
    )
    tile = np.full((size[1], size[0], 3), CARD, np.uint8)
    height, width = picture.shape[:2]
    y, x = (size[1] - height) // 2, (size[0] - width) // 2
    tile[y : y + height, x : x + width] = picture
    return tile


def _painted(objects: dict) -> dict:
    """Boxes with the colour, line and note of their verdicts, as `draw_boxes` takes them."""
    verdicts, numbers = objects['verdicts'], zip(objects['ious'], objects['scores'], strict=True)
    return dict(
        boxes=objects['boxes'],
        labels=objects['labels'],
        colors=[COLORS.get(kind, FALSE) for kind in verdicts],
        dashed=[kind == 'ignored' for kind in verdicts],
        notes=[_note(kind, *pair) for kind, pair in zip(verdicts, numbers, strict=True)],
    )


def _note(verdict: str, iou: float, score: float) -> str:
    if verdict in ('right', 'background'):
        return ''
    if verdict in ('found', 'poor box'):
        return f'IoU {iou:.2f}'
    if verdict == 'low score':
        return f'score {np.floor(100 * score) / 100:.2f}'  # never up to the threshold
    return verdict
