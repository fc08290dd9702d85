"""COCO's evaluation of a test set, and what it matched with what."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from .detections import Detections
from .ground_truth import GroundTruth

MAX_DETS = (100, 300, 1000)  # CocoMetric's proposal_nums


@dataclass(frozen=True)
class Matches:
    """Which detection took which object, by IoU threshold.

    T thresholds (0.5, 0.55, ... 0.95), D detections and G objects in the order of
    :class:`Detections` and :class:`GroundTruth`.

    Attributes:
        objects: the object that a detection took; -1 for none. (T, D)
        detections: the detection that an object was taken by; -1 for none. (T, G)
        right: detections that took an object that counts. (T, D)
        false: detections that count and took none. (T, D)
        counted: objects that are not to be ignored. (G,)
    """

    objects: np.ndarray
    detections: np.ndarray
    right: np.ndarray
    false: np.ndarray
    counted: np.ndarray

    @classmethod
    def from_coco(cls, evaluation: COCOeval) -> 'Matches':
        """Of :func:`run_coco`'s result, for objects of all sizes."""
        thresholds = len(evaluation.params.iouThrs)
        num_detections, num_objects = (len(c.anns) for c in (evaluation.cocoDt, evaluation.cocoGt))
        objects = np.full((thresholds, num_detections), -1)
        detections = np.full((thresholds, num_objects), -1)
        judged = np.zeros((thresholds, num_detections), bool)
        counted = np.zeros(num_objects, bool)
        images, areas = len(evaluation.params.imgIds), len(evaluation.params.areaRng)
        for label in range(len(evaluation.params.catIds)):
            start = label * areas * images  # of the first area range: all
            for entry in evaluation.evalImgs[start : start + images]:
                if entry is None:
                    continue
                # Ids start at 1, and 0 is no match.
                d, g = (np.array(entry[key], int) - 1 for key in ('dtIds', 'gtIds'))
                objects[:, d] = entry['dtMatches'].astype(int) - 1
                detections[:, g] = entry['gtMatches'].astype(int) - 1
                judged[:, d] = ~entry['dtIgnore'].astype(bool)
                counted[g] = entry['gtIgnore'] == 0
        return cls(objects, detections, judged & (objects >= 0), judged & (objects < 0), counted)


def run_coco(
    truth: GroundTruth, detections: Detections, max_dets: Sequence[int] = MAX_DETS
) -> COCOeval:
    """pycocotools' evaluation of boxes with the settings of mmdet's ``CocoMetric``.

    Args:
        truth: objects.
        detections: of the same images.
        max_dets: ``proposal_nums`` of the metric.

    Returns:
        Evaluated, accumulated and summarised. Annotation i of either has the id i + 1; categories
        are class indices.
    """
    ids = _image_ids(truth.ids)
    images = [dict(id=i) for i in range(len(ids))]
    categories = [dict(id=i, name=name) for i, name in enumerate(truth.classes)]
    objects = zip(
        *(ids[truth.images].tolist(), truth.labels.tolist(), truth.boxes.tolist()),
        *(truth.areas.tolist(), truth.ignored.tolist()),
        strict=True,
    )
    found = zip(
        *(ids[detections.images].tolist(), detections.labels.tolist(), detections.boxes.tolist()),
        *(detections.boxes[:, 2:].prod(1).tolist(), detections.scores.tolist()),
        strict=True,
    )
    ground_truth = _coco(
        images,
        categories,
        [
            dict(id=i + 1, image_id=image, category_id=c, bbox=box, area=area, iscrowd=int(ignored))
            for i, (image, c, box, area, ignored) in enumerate(objects)
        ],
    )
    results = _coco(
        images,
        categories,
        [
            dict(id=i + 1, image_id=image, category_id=c, bbox=box, area=area, score=score)
            for i, (image, c, box, area, score) in enumerate(found)
        ],
    )
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(ground_truth, results, 'bbox')
        evaluation.params.maxDets = list(max_dets)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def _image_ids(ids: list) -> np.ndarray:
    """Numbers that sort as the ids do: COCO takes equal scores in the order of the images' ids."""
    try:
        order = sorted(range(len(ids)), key=ids.__getitem__)
    except TypeError:  # numbers and names, of several datasets
        order = list(range(len(ids)))
    numbers = np.empty(len(ids), np.int64)
    numbers[order] = np.arange(len(ids))
    return numbers


def _coco(images: list[dict], categories: list[dict], annotations: list[dict]) -> COCO:
    coco = COCO()
    coco.dataset = dict(images=images, categories=categories, annotations=annotations)
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco
