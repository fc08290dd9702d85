"""Which detections take which objects of an image, by KITTI's greedy rules.

Legend: D detections, G objects, T score thresholds.
"""

from dataclasses import dataclass

import numpy as np

from .difficulty import COUNTED, OTHER


@dataclass(frozen=True)
class Scene:
    """What takes part in an image for one class, difficulty and kind of overlap.

    Attributes:
        overlaps: of detections with objects, 0 to 1. (D, G)
        scores: of the detections, in the order of the file. (D,)
        counted: detections that are right or false; the others are neutral. (D,)
        objects_counted: objects that must be found; the others are neutral. (G,)
        covered: largest part of the detection inside a DontCare region, 0 to 1. (D,)
        similarity: (1 + cos(angle between the observation angles)) / 2, or None. (D, G)
    """

    overlaps: np.ndarray
    scores: np.ndarray
    counted: np.ndarray
    objects_counted: np.ndarray
    covered: np.ndarray
    similarity: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        roles: np.ndarray,
        object_roles: np.ndarray,
        overlaps: np.ndarray,
        scores: np.ndarray,
        covered: np.ndarray,
        similarity: np.ndarray | None = None,
    ) -> 'Scene':
        """Of everything in the image, without what has no part in it.

        Args:
            roles: of the detections, see :mod:`.difficulty`. (D,)
            object_roles: (G,)
            overlaps, scores, covered, similarity: see the attributes.
        """
        d, g = (np.flatnonzero(r != OTHER) for r in (roles, object_roles))
        return cls(
            overlaps=overlaps[np.ix_(d, g)],
            scores=scores[d],
            counted=roles[d] == COUNTED,
            objects_counted=object_roles[g] == COUNTED,
            covered=covered[d],
            similarity=None if similarity is None else similarity[np.ix_(d, g)],
        )


def found_scores(scene: Scene, min_overlap: float) -> list[float]:
    """Scores of the detections that find counted objects, each object by its best score.

    Args:
        scene: an image.
        min_overlap: a detection takes an object only above it.
    """
    free = np.ones(len(scene.scores), bool)
    found = []
    for g in np.flatnonzero((scene.overlaps > min_overlap).any(0)):
        candidates = np.flatnonzero(free & (scene.overlaps[:, g] > min_overlap))
        if len(candidates):
            best = candidates[np.argmax(scene.scores[candidates])]
            free[best] = False
            if scene.objects_counted[g] and scene.counted[best]:
                found.append(float(scene.scores[best]))
    return found


def count(
    scene: Scene, min_overlap: float, thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right and false detections of an image at score thresholds.

    Every object in turn takes, of the free detections, the counted one that overlaps it most; if
    there is none, the first neutral one.

    Args:
        scene: the image.
        min_overlap: a detection takes an object only above it, and a DontCare region absorbs a
            false detection only if more than this part of it lies inside.
        thresholds: detections below do not exist. (T,)

    Returns:
        Number of right ones, number of false ones, and the right ones' summed similarity (0
        without). Each (T,)
    """
    free = scene.scores >= np.reshape(thresholds, (-1, 1))  # (T, D)
    right, similarity = np.zeros((2, len(free)))
    # Greatest overlap first, equal ones in the order of the file.
    by_overlap = np.argsort(-scene.overlaps, 0, kind='stable')
    for g in np.flatnonzero((scene.overlaps > min_overlap).any(0)):
        near = scene.overlaps[:, g] > min_overlap
        ranked = by_overlap[near[by_overlap[:, g]], g]
        order = np.concatenate(
            [ranked[scene.counted[ranked]], np.flatnonzero(near & ~scene.counted)]
        )
        available = free[:, order]
        rows = np.flatnonzero(available.any(1))
        taken = order[np.argmax(available[rows], 1)]
        free[rows, taken] = False
        hit = scene.counted[taken] & scene.objects_counted[g]
        right[rows[hit]] += 1
        if scene.similarity is not None:
            similarity[rows[hit]] += scene.similarity[taken[hit], g]
    false = (free & scene.counted & ~(scene.covered > min_overlap)).sum(1)
    return right, false, similarity
