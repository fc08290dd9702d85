"""KITTI's evaluation of a test set: every class, kind of overlap and difficulty."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...datasets.kitti_files import KittiObjects
from .average_precision import average_precision, precision_curve
from .difficulty import DIFFICULTIES, DONT_CARE, Difficulty, detection_roles, object_roles
from .matching import Scene
from .overlap import image_coverage, image_overlaps, space_boxes, space_overlaps

# First KITTI's own, then the loose ones of CenterNet's published tables (on the ground and in
# space only).
OVERLAPS = {'Car': (0.7, 0.5), 'Pedestrian': (0.5, 0.25), 'Cyclist': (0.5, 0.25)}
IMAGE_METRICS, SPACE_METRICS = ('bbox', 'aos'), ('bev', '3d')
METRICS = (*IMAGE_METRICS, *SPACE_METRICS)


@dataclass(frozen=True)
class Result:
    """Average precision of one class.

    Attributes:
        name: the class.
        metric: 'bbox' boxes in the image; 'aos' the same weighted by the orientation; 'bev' boxes
            on the ground; '3d' boxes in space.
        difficulty: easy, moderate or hard.
        min_overlap: above which a detection is right.
        strict: whether that is the first of the class's overlaps.
        objects: number of objects to be found, without neutral ones.
        ap40: over 40 recall points, in percent; NaN without objects.
        ap11: over 11.
    """

    name: str
    metric: str
    difficulty: str
    min_overlap: float
    strict: bool
    objects: int
    ap40: float
    ap11: float


def evaluate(
    truths: Sequence[KittiObjects],
    detections: Sequence[KittiObjects],
    *,
    overlaps: Mapping[str, Sequence[float]] = OVERLAPS,
    metrics: Sequence[str] = METRICS,
) -> list[Result]:
    """Evaluates detections image by image.

    Args:
        truths: annotations.
        detections: of the same images, with scores; without rows where nothing was found.
        overlaps: by class, the least overlaps. The first holds for all metrics, the others for
            'bev' and '3d' only.
        metrics: which of ``METRICS``. 'aos' needs alphas; 'bev' and '3d' need dimensions,
            locations and rotations.

    Returns:
        By class, then overlap, metric and difficulty.

    Raises:
        ValueError: another number of images.
    """
    pairs = [_Pair.of(t, d, metrics) for t, d in zip(truths, detections, strict=True)]
    return [
        _result(pairs, name, metric, difficulty, min_overlap, strict=place == 0)
        for name, thresholds in overlaps.items()
        for place, min_overlap in enumerate(thresholds)
        for metric in metrics
        if place == 0 or metric in SPACE_METRICS
        for difficulty in DIFFICULTIES
    ]


@dataclass(frozen=True)
class _Pair:
    """What is annotated in an image and what was detected there.

    ``overlaps`` (D, G) by metric; ``covered`` (D,) by DontCare regions; ``similarity`` (D, G) of
    the observation angles.
    """

    truth: KittiObjects
    found: KittiObjects
    overlaps: dict[str, np.ndarray]
    covered: np.ndarray
    similarity: np.ndarray

    @classmethod
    def of(cls, truth: KittiObjects, found: KittiObjects, metrics: Sequence[str]) -> '_Pair':
        image = image_overlaps(found.bboxes, truth.bboxes)
        overlaps = {'bbox': image, 'aos': image}
        if set(metrics) & set(SPACE_METRICS):
            ground, space = space_overlaps(space_boxes(found), space_boxes(truth))
            overlaps.update({'bev': ground, '3d': space})
        regions = truth.bboxes[np.array(truth.types, str) == DONT_CARE]
        covered = image_coverage(found.bboxes, regions).max(1, initial=0)
        similarity = (1 + np.cos(found.alphas[:, None] - truth.alphas)) / 2
        return cls(truth, found, overlaps, covered, similarity)

    def scene(self, name: str, metric: str, difficulty: Difficulty) -> Scene:
        # A DontCare region has no place in space, so that there it absorbs nothing.
        absorbs = metric in IMAGE_METRICS
        return Scene.of(
            detection_roles(self.found, name, difficulty),
            object_roles(self.truth, name, difficulty),
            overlaps=self.overlaps[metric],
            scores=self.found.scores,
            covered=self.covered if absorbs else np.zeros(len(self.covered)),
            similarity=self.similarity if metric == 'aos' else None,
        )


def _result(
    pairs: Sequence[_Pair],
    name: str,
    metric: str,
    difficulty: Difficulty,
    min_overlap: float,
    strict: bool,
) -> Result:
    scenes = [pair.scene(name, metric, difficulty) for pair in pairs]
    objects = sum(int(scene.objects_counted.sum()) for scene in scenes)
    precision, similarity = precision_curve(scenes, min_overlap)
    curve = similarity if metric == 'aos' else precision
    ap40, ap11 = (average_precision(curve, n) if objects else np.nan for n in (40, 11))
    return Result(name, metric, difficulty.name, min_overlap, strict, objects, ap40, ap11)
