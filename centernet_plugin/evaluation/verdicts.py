"""What is wrong with every detection, and why every object was missed."""

from dataclasses import dataclass

import numpy as np
from pycocotools import mask

from .detections import Detections
from .ground_truth import GroundTruth
from .matches import Matches

NEAR = 0.1  # IoU from which on a detection is about an object, as in TIDE
# In the order in which they are asked; the first that holds is the reason.
DETECTIONS = (
    'right',
    'duplicate',
    'wrong class',
    'poor box',
    'wrong class and box',
    'background',
    'ignored',
)
OBJECTS = ('found', 'low score', 'not found', 'ignored')


@dataclass(frozen=True)
class Verdicts:
    """A verdict on every detection from a score on and on every object, at IoU 0.5.

    Attributes:
        threshold: the score.
        detections: index into ``DETECTIONS``, -1 below the threshold. (D,)

            - right: took an object of its class.
            - duplicate: an object of its class is there, but a better one took it.
            - wrong class: an object of another class is there.
            - poor box: an object of its class is near, at IoU 0.1 to 0.5.
            - wrong class and box: so is one of another class.
            - background: none is near.
            - ignored: covers a crowd or a difficult object and does not count.
        detection_ious: with the object that it took, else with the one that the verdict is about;
            0 for background. (D,)
        objects: index into ``OBJECTS``: taken; taken by a detection below the threshold; not
            taken at all; not to be counted. (G,)
        object_ious: with the detection that took it from the threshold on; else 0. (G,)
    """

    threshold: float
    detections: np.ndarray
    detection_ious: np.ndarray
    objects: np.ndarray
    object_ious: np.ndarray

    @classmethod
    def of(
        cls, truth: GroundTruth, detections: Detections, matches: Matches, threshold: float
    ) -> 'Verdicts':
        """The verdicts from the matches; IoU is pycocotools' as well."""
        kinds = np.full(len(detections.scores), -1)
        ious = np.zeros(len(detections.scores))
        used = detections.scores >= threshold
        taken = matches.objects[0]
        kinds[used & (taken >= 0)] = DETECTIONS.index('ignored')
        kinds[used & matches.right[0]] = DETECTIONS.index('right')
        for rows, columns in _by_image(detections.images, truth.images, used):
            overlaps = _iou(detections.boxes[rows], truth.boxes[columns], truth.ignored[columns])
            own = taken[rows]
            has = own >= 0
            ious[rows[has]] = overlaps[has, np.searchsorted(columns, own[has])]

            wrong = matches.false[0][rows]
            usable = matches.counted[columns]
            same = detections.labels[rows, None] == truth.labels[columns]
            near_same = _largest(overlaps, same & usable)[wrong]
            near_other = _largest(overlaps, ~same & usable)[wrong]
            reasons = [
                (near_same >= 0.5, 'duplicate', near_same),
                (near_other >= 0.5, 'wrong class', near_other),
                (near_same >= NEAR, 'poor box', near_same),
                (near_other >= NEAR, 'wrong class and box', near_other),
            ]
            conditions = [condition for condition, _, _ in reasons]
            codes = [DETECTIONS.index(name) for _, name, _ in reasons]
            kinds[rows[wrong]] = np.select(conditions, codes, DETECTIONS.index('background'))
            ious[rows[wrong]] = np.select(conditions, [iou for _, _, iou in reasons], 0)

        taker = matches.detections[0]
        by_used = (taker >= 0) & (used[taker] if used.size else False)
        states = np.select(
            [~matches.counted, by_used, taker >= 0],
            [OBJECTS.index(name) for name in ('ignored', 'found', 'low score')],
            OBJECTS.index('not found'),
        )
        found = states == OBJECTS.index('found')
        object_ious = np.zeros(len(states))
        object_ious[found] = ious[taker[found]]
        return cls(threshold, kinds, ious, states, object_ious)

    def counts(self) -> dict[str, dict[str, int]]:
        """Number of ``detections`` and of ``objects`` by verdict."""
        return {
            'detections': {n: int((self.detections == i).sum()) for i, n in enumerate(DETECTIONS)},
            'objects': {n: int((self.objects == i).sum()) for i, n in enumerate(OBJECTS)},
        }


def _by_image(detection_images: np.ndarray, object_images: np.ndarray, used: np.ndarray):
    """Places of the used detections and of the objects of every image that has detections."""
    count = 1 + max(detection_images.max(initial=-1), object_images.max(initial=-1))
    edges = np.arange(count + 1)
    starts = np.searchsorted(detection_images, edges)
    object_starts = np.searchsorted(object_images, edges)
    for i in range(count):
        rows = np.arange(starts[i], starts[i + 1])
        rows = rows[used[rows]]
        if len(rows):
            yield rows, np.arange(object_starts[i], object_starts[i + 1])


def _iou(boxes: np.ndarray, objects: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """(D, G), for crowds the part of the box inside."""
    if not len(objects):
        return np.zeros((len(boxes), 0))
    return np.asarray(mask.iou(boxes, objects, crowd.astype(np.uint8).tolist()))


def _largest(overlaps: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return np.where(chosen, overlaps, 0).max(axis=1, initial=0)
