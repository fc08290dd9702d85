"""Which images are worst and best, by the F1 score at one threshold for the whole set.

AP of a single image is no measure of it: it rests on the order of very few scores, and says
nothing of what is shown to a user, who needs one threshold for all images.
"""

from dataclasses import dataclass

import numpy as np

from .detections import Detections
from .ground_truth import GroundTruth
from .matches import Matches

DEFAULT_THRESHOLD = 0.3


@dataclass(frozen=True)
class ImageScores:
    """How every image fares.

    Attributes:
        f1: mean over the IoU thresholds 0.5 to 0.95; NaN for an image on which nothing is to be
            found and nothing was. (N,)
        right: detections that took an object at IoU 0.5. (N,)
        false: detections that did not. (N,)
        missed: objects that were not taken. (N,)
    """

    f1: np.ndarray
    right: np.ndarray
    false: np.ndarray
    missed: np.ndarray

    def worst_first(self) -> np.ndarray:
        """Places of the images that have an F1 score, the worst first.

        Among equal scores, more right detections in excess of the errors are better: of those with
        nothing right the one with most errors is the worst, of those with nothing wrong the one
        with most objects the best.
        """
        balance = self.right - self.false - self.missed
        order = np.lexsort((np.arange(len(balance)), balance, self.f1))
        return order[~np.isnan(self.f1[order])]


def best_threshold(detections: Detections, matches: Matches) -> float:
    """The score from which on detections have the best F1 at IoU 0.5, all classes together.

    ``DEFAULT_THRESHOLD`` where no detection is right.
    """
    if not matches.right[0].any():
        return DEFAULT_THRESHOLD
    order = np.argsort(-detections.scores, kind='stable')
    scores = detections.scores[order]
    right, false = (np.cumsum(m[0][order]) for m in (matches.right, matches.false))
    f1 = 2 * right / (right + false + matches.counted.sum())
    f1[:-1][scores[:-1] == scores[1:]] = -1  # equal scores are taken or left together
    f1[np.isnan(scores)] = -1
    return float(scores[np.argmax(f1)])


def score_images(
    truth: GroundTruth, detections: Detections, matches: Matches, threshold: float
) -> ImageScores:
    """F1 = 2 right / (2 right + false + missed) of every image.

    Args:
        truth: objects.
        detections: of the same images.
        matches: of both.
        threshold: detections below do not count.
    """
    count = len(truth.ids)
    objects = np.bincount(truth.images[matches.counted], minlength=count)
    used = detections.scores >= threshold

    def per_image(chosen: np.ndarray) -> np.ndarray:  # (T, D) -> (T, N)
        places = [detections.images[row & used] for row in chosen]
        return np.stack([np.bincount(p, minlength=count) for p in places])

    right, false = per_image(matches.right), per_image(matches.false)
    total = right + false + objects
    f1 = (2 * right / np.maximum(total, 1)).mean(0)
    f1[(objects == 0) & (false[0] == 0)] = np.nan
    return ImageScores(f1=f1, right=right[0], false=false[0], missed=objects - right[0])
