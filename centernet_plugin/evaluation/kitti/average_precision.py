"""Average precision over the 41 recall steps of KITTI: 0, 1/40, ..., 1."""

from collections.abc import Sequence

import numpy as np

from .matching import Scene, count, found_scores

STEPS = 41
# Which steps are averaged: KITTI's since 2019, and those of PASCAL VOC that it had before and
# that CenterNet's paper reports.
SAMPLES = {40: slice(1, None), 11: slice(0, None, 4)}


def precision_curve(scenes: Sequence[Scene], min_overlap: float) -> tuple[np.ndarray, np.ndarray]:
    """Interpolated precision and orientation similarity by recall, over all images of a class.

    Args:
        scenes: one per image.
        min_overlap: above which a detection takes an object.

    Returns:
        Both in [0, 1], not increasing, 0 at recalls that are not reached. (41,); the second is the
        precision weighted by the similarity, and all 0 for scenes without.
    """
    objects = sum(int(s.objects_counted.sum()) for s in scenes)
    scores = [score for scene in scenes for score in found_scores(scene, min_overlap)]
    thresholds = sample_thresholds(scores, objects)
    right, false, similarity = np.zeros((3, len(thresholds)))
    for scene in scenes:
        for total, part in zip(
            (right, false, similarity), count(scene, min_overlap, thresholds), strict=True
        ):
            total += part
    used = np.maximum(right + false, 1)
    return envelope(right / used), envelope(similarity / used)


def sample_thresholds(scores: Sequence[float], objects: int) -> np.ndarray:
    """Scores at which the recall is nearest to each step.

    With more than 40 objects this is the walk of KITTI's devkit: a score is taken for the step at
    hand unless the next one's recall is nearer to it. There a score serves one step only, so with
    40 objects or fewer the last steps would stay empty and a perfect detector get less than 100
    (22.5 at 10 objects). A set as small as this takes, for every step, the first score whose
    recall reaches it, which is the plain definition of interpolated precision.

    Args:
        scores: of the detections that found an object, in any order.
        objects: number of all that should be found.

    Returns:
        One for each of the first steps, as far as they are reached, not increasing. (T,), T <= 41
    """
    scores = np.sort(np.asarray(scores, np.float64))[::-1]
    if objects < STEPS:
        places = [max(-(-step * objects // (STEPS - 1)) - 1, 0) for step in range(STEPS)]
        return scores[[place for place in places if place < len(scores)]]
    places, step = [], 0.0
    for place in range(len(scores)):
        here, after = (place + 1) / objects, (place + 2) / objects
        if place == len(scores) - 1 or after - step >= step - here:
            places.append(place)
            step += 1 / (STEPS - 1)
    return scores[places]


def envelope(values: np.ndarray) -> np.ndarray:
    """At every step the largest value from there on, 0 where none is given. (T,) -> (41,)"""
    out = np.zeros(STEPS)
    out[: len(values)] = np.maximum.accumulate(values[::-1])[::-1]
    return out


def average_precision(curve: np.ndarray, points: int) -> float:
    """Mean of a curve in percent.

    Args:
        curve: of :func:`precision_curve`. (41,)
        points: number of recall steps averaged: 40, all but recall 0; or 11, every fourth.

    Raises:
        KeyError: another number.
    """
    return 100 * float(curve[SAMPLES[points]].mean())
