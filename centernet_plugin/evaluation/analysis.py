"""All that is known about the detections of a test set, as tables and image by image."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools.cocoeval import COCOeval

from . import precision
from .detections import Detections
from .ground_truth import GroundTruth
from .matches import MAX_DETS, Matches, run_coco
from .ranking import ImageScores, best_threshold, score_images
from .verdicts import DETECTIONS, OBJECTS, Verdicts


@dataclass(frozen=True)
class Analysis:
    """An evaluated test set.

    Attributes:
        truth: objects.
        detections: of the same images.
        coco: pycocotools' evaluation of both.
        matches: of it.
        verdicts: on detections of a score from ``verdicts.threshold`` on, and on objects.
        images: F1 of every image at that threshold.
    """

    truth: GroundTruth
    detections: Detections
    coco: COCOeval
    matches: Matches
    verdicts: Verdicts
    images: ImageScores

    @classmethod
    def of(
        cls,
        truth: GroundTruth,
        detections: Detections,
        *,
        max_dets: Sequence[int] = MAX_DETS,
        threshold: float | None = None,
    ) -> 'Analysis':
        """Evaluates.

        Args:
            truth: objects.
            detections: of the same images.
            max_dets: see :func:`run_coco`.
            threshold: of the score; None for that with the best F1.
        """
        coco = run_coco(truth, detections, max_dets)
        matches = Matches.from_coco(coco)
        if threshold is None:
            threshold = best_threshold(detections, matches)
        verdicts = Verdicts.of(truth, detections, matches, threshold)
        images = score_images(truth, detections, matches, threshold)
        return cls(truth, detections, coco, matches, verdicts, images)

    def summary(self) -> dict:
        """All numbers but those of single images, for JSON: None where there is no object."""
        counts = self.verdicts.counts()
        right, found = counts['detections']['right'], counts['objects']['found']
        used = sum(counts['detections'].values()) - counts['detections']['ignored']
        counted = int(self.matches.counted.sum())
        sizes = precision.object_counts(self.coco).sum(0).tolist()
        return for_json(
            dict(
                images=len(self.truth.ids),
                objects=dict(zip(('all', *precision.SIZES), sizes, strict=True))
                | {'ignored': counts['objects']['ignored']},
                detections=len(self.detections.scores),
                metrics=precision.overall(self.coco),
                AP_by_IoU=precision.by_iou(self.coco),
                score_threshold=self.verdicts.threshold,
                at_threshold=dict(
                    precision=right / used if used else math.nan,
                    recall=found / counted if counted else math.nan,
                    **counts,
                ),
                classes=self.class_rows(),
            )
        )

    def class_rows(self) -> list[dict]:
        """One per class: name, objects, AP, and precision and recall at the threshold."""
        counts = precision.object_counts(self.coco)
        labels, kinds = self.detections.labels, self.verdicts.detections
        rows = []
        for label, values in enumerate(precision.by_class(self.coco)):
            right = int((kinds[labels == label] == DETECTIONS.index('right')).sum())
            ignored = int((kinds[labels == label] == DETECTIONS.index('ignored')).sum())
            used = int((kinds[labels == label] >= 0).sum()) - ignored
            objects = int(counts[label, 0])
            sizes = {
                f'objects_{size}': int(n)
                for size, n in zip(precision.SIZES, counts[label, 1:], strict=True)
            }
            rows.append(
                dict(
                    name=self.truth.classes[label],
                    objects=objects,
                    **values,
                    precision=right / used if used else math.nan,
                    recall=right / objects if objects else math.nan,
                    detections=used,
                    **sizes,
                )
            )
        return for_json(rows)

    def image_rows(self) -> list[dict]:
        """One per image that is ranked, worst first."""
        return [self._image_row(rank, i) for rank, i in enumerate(self.images.worst_first())]

    def _image_row(self, rank: int, image: int) -> dict:
        numbers = ('right', 'false', 'missed')
        return dict(
            rank=rank + 1,
            f1=float(self.images.f1[image]),
            **{name: int(getattr(self.images, name)[image]) for name in numbers},
            index=int(image),
            id=self.truth.ids[image],
            path=self.truth.paths[image],
        )

    def objects_of(self, image: int) -> dict:
        """Boxes (x1, y1, x2, y2), labels and verdicts of an image's objects.

        Also the ``ious`` and ``scores`` of the detections that took them; NaN for none.
        """
        here = np.flatnonzero(self.truth.images == image)
        taker = self.matches.detections[0][here]
        scores = np.full(len(here), np.nan)
        scores[taker >= 0] = self.detections.scores[taker[taker >= 0]]
        return dict(
            boxes=_corners(self.truth.boxes[here]),
            labels=self.truth.labels[here],
            verdicts=[OBJECTS[kind] for kind in self.verdicts.objects[here]],
            ious=self.verdicts.object_ious[here],
            scores=scores,
        )

    def detections_of(self, image: int) -> dict:
        """The same and scores of its detections from the threshold on."""
        here = np.flatnonzero((self.detections.images == image) & (self.verdicts.detections >= 0))
        return dict(
            boxes=_corners(self.detections.boxes[here]),
            labels=self.detections.labels[here],
            scores=self.detections.scores[here],
            verdicts=[DETECTIONS[kind] for kind in self.verdicts.detections[here]],
            ious=self.verdicts.detection_ious[here],
        )


def for_json(value):
    """The same with None for what is not a finite number, which JSON does not know."""
    if isinstance(value, dict):
        return {name: for_json(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [for_json(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _corners(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
