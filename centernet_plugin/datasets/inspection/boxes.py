"""Boxes that cannot be meant: beyond the image, without extent, or there twice."""

import numpy as np

from .annotations import Annotations
from .finding import Finding, count_of
from .rows import repeated

ROUNDING = 2.0  # pixels beyond the border that rounding or counting from 1 explains
EXACT = 0.01  # pixels


def box_defects(table: Annotations) -> dict[str, np.ndarray]:
    """What is wrong with each box. Legend: N objects.

    Returns:
        ``overshoot``: pixels beyond the image border, negative inside, 0 where the size of the
        image is not known; (N,), float64. Masks, (N,): ``outside`` (nothing of it in the image),
        ``no_extent`` (no width or height, or corners swapped), ``repeat`` (the same box of the same
        class in the same image stands before it), ``relabelled`` (the same of another class).
    """
    boxes = table.boxes
    size = np.append(table.sizes, [[0, 0]], axis=0)[table.image].astype(np.float64)  # (N, 2)
    known = (size > 0).all(1)
    overshoot = np.maximum(-boxes[:, :2], boxes[:, 2:] - size).max(1, initial=-np.inf)
    inner = np.minimum(boxes[:, 2:], size) - np.maximum(boxes[:, :2], 0)
    repeat = repeated(np.column_stack([table.image, table.labels, boxes]))
    return dict(
        overshoot=np.where(known, overshoot, 0),
        outside=known & (inner <= 0).any(1) & (boxes[:, 2:] > boxes[:, :2]).all(1),
        no_extent=~(boxes[:, 2:] > boxes[:, :2]).all(1),
        repeat=repeat,
        relabelled=repeated(np.column_stack([table.image, boxes])) & ~repeat,
    )


def box_findings(table: Annotations, defects: dict[str, np.ndarray]) -> list[Finding]:
    """What :func:`box_defects` found, in sentences."""
    over = defects['overshoot'] * ~defects['outside'] * ~defects['no_extent']
    found = [
        (
            'warning',
            'no-extent',
            np.flatnonzero(defects['no_extent']),
            '{} without width or height, or with swapped corners; the head leaves them out: '
            'correct or remove them.',
        ),
        (
            'warning',
            'outside',
            np.flatnonzero(defects['outside']),
            '{} wholly outside of the image: correct the boxes or the image size.',
        ),
        (
            'warning',
            'beyond-border',
            _largest_first(over, ROUNDING),
            f'{{}} more than {ROUNDING:g} pixels beyond the border of the image (at most '
            f'{over.max(initial=0):.0f}), so that the centre is not that of what is seen: cut them '
            'at the border, unless the whole object is meant.',
        ),
        (
            'note',
            'over-border',
            np.flatnonzero((over > EXACT) & (over <= ROUNDING)),
            f'{{}} up to {ROUNDING:g} pixels beyond the border of the image, as rounding leaves '
            'them: no need to act.',
        ),
        (
            'warning',
            'repeated-box',
            np.flatnonzero(defects['repeat']),
            '{} exactly over another of the same class, of which only one can be detected: remove '
            'the copies.',
        ),
        (
            'note',
            'relabelled-box',
            np.flatnonzero(defects['relabelled']),
            '{} exactly over one of another class: remove one, unless an object may have two.',
        ),
    ]
    return [
        Finding(
            severity,
            key,
            message.format(count_of(len(where), 'box', 'boxes')),
            len(where),
            tuple(table.describe(i) for i in where[:3]),
        )
        for severity, key, where, message in found
        if len(where)
    ]


def _largest_first(values: np.ndarray, limit: float) -> np.ndarray:
    where = np.flatnonzero(values > limit)
    return where[np.argsort(-values[where], kind='stable')]
