"""Which objects and detections count at KITTI's difficulties easy, moderate and hard."""

from dataclasses import dataclass

import numpy as np

from ...datasets.kitti_files import KittiObjects

COUNTED, NEUTRAL, OTHER = 0, 1, 2
DONT_CARE = 'DontCare'
# Look so much alike that neither finding nor missing one says anything.
NEIGHBOURS = {'Car': 'Van', 'Pedestrian': 'Person_sitting'}


@dataclass(frozen=True)
class Difficulty:
    """Which objects must be found; each level includes the ones before it.

    Attributes:
        name: easy, moderate or hard.
        min_height: of the image box, in pixels.
        max_occlusion: 0 fully visible, 1 partly occluded, 2 largely occluded; 3 is unknown.
        max_truncation: part of the object outside the image, 0 to 1.
    """

    name: str
    min_height: float
    max_occlusion: int
    max_truncation: float


DIFFICULTIES = (
    Difficulty('easy', 40, 0, 0.15),
    Difficulty('moderate', 25, 1, 0.30),
    Difficulty('hard', 25, 2, 0.50),
)


def object_roles(objects: KittiObjects, name: str, difficulty: Difficulty) -> np.ndarray:
    """What annotated objects are to a class at a difficulty.

    Args:
        objects: annotations of an image.
        name: the class.
        difficulty: the level.

    Returns:
        (G,): COUNTED must be found; NEUTRAL, too hard or of the neighbouring class, may be found;
        OTHER has no part in it.
    """
    types = np.array(objects.types, str)
    hard = (
        (_heights(objects) < difficulty.min_height)
        | (objects.occluded > difficulty.max_occlusion)
        | (objects.truncated > difficulty.max_truncation)
    )
    neutral = (types == NEIGHBOURS.get(name)) | ((types == name) & hard)
    return np.select([neutral, types == name], [NEUTRAL, COUNTED], OTHER)


def detection_roles(detections: KittiObjects, name: str, difficulty: Difficulty) -> np.ndarray:
    """What detections are to a class at a difficulty.

    As in KITTI's devkit, a detection below the least height is neutral of whatever class it is: an
    object that only such a one overlaps is not missed. The numbers are meant to be KITTI's.

    Args:
        detections: of an image.
        name: the class.
        difficulty: the level.

    Returns:
        (D,): COUNTED is right or false; NEUTRAL is neither; OTHER has no part in it.
    """
    small = _heights(detections) < difficulty.min_height
    return np.select([small, np.array(detections.types, str) == name], [NEUTRAL, COUNTED], OTHER)


def _heights(objects: KittiObjects) -> np.ndarray:
    return np.abs(objects.bboxes[:, 3] - objects.bboxes[:, 1])
