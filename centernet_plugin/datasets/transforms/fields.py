"""Further fields of the annotations, and what becomes of them when the image is warped.

A pipeline carries them in ``results['gt_fields']``, by name arrays with one row per instance,
float32, NaN where a value is not known. ``results['gt_bboxes']`` are then :class:`FollowedBoxes`,
which know what transforms have done since; our own transforms and PackDetInputs do the same to the
fields.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from mmdet.structures.bbox import BaseBoxes, HorizontalBoxes

from ...errors import UserInputError
from ...models.functional.geometry import transform_points
from .followed_boxes import FollowedBoxes


@dataclass(frozen=True)
class Warp:
    """What is done to an image.

    Attributes:
        matrix: from its pixels to the new ones. (2, 3)
        zoomed: whether objects look nearer or farther than they are, or elsewhere than the camera
            saw them.
        flip_pairs: pairs of joints that a mirror exchanges.
    """

    matrix: np.ndarray
    zoomed: bool = False
    flip_pairs: tuple[tuple[int, int], ...] = ()

    @property
    def mirrors(self) -> bool:
        """Whether left and right are exchanged; they are not by half a turn."""
        return bool(np.linalg.det(self.matrix[:, :2]) < 0)


FieldWarp = Callable[[np.ndarray, Warp], np.ndarray]
FIELD_WARPS: dict[str, FieldWarp] = {}


def field_warp(*names: str) -> Callable[[FieldWarp], FieldWarp]:
    """Registers what becomes of the fields of these names; others stay as they are.

    The decorated function gets the values (N, ...) and a :class:`Warp` and returns new values.
    """

    def register(function: FieldWarp) -> FieldWarp:
        FIELD_WARPS.update(dict.fromkeys(names, function))
        return function

    return register


def attach_fields(results: dict, fields: Mapping[str, np.ndarray]) -> None:
    """Give the instances of ``results['gt_bboxes']`` further fields, which follow them from here.

    Args:
        results: of a pipeline.
        fields: as in ``gt_fields``.

    Raises:
        UserInputError: the boxes are not horizontal ones.
    """
    boxes = results['gt_bboxes']
    if isinstance(boxes, BaseBoxes) and not isinstance(boxes, HorizontalBoxes):
        raise UserInputError(
            f"fields of annotations need box_type='hbox', not {type(boxes).__name__}, in "
            'LoadAnnotations'
        )
    results['gt_fields'], results['gt_bboxes'] = dict(fields), FollowedBoxes.begin(boxes)


def warp_fields(results: dict, matrix: np.ndarray, zoomed: bool = False) -> None:
    """Warp ``results['gt_fields']`` in place, with the pairs in ``results['flip_pairs']``."""
    follow_boxes(results)
    _warp(results, Warp(matrix, zoomed, tuple(results.get('flip_pairs', ()))))


def follow_boxes(results: dict) -> None:
    """Do to ``gt_fields`` what was done to the boxes since they were in step.

    mmdet's transforms do not know these fields. That they zoomed is not known.

    Raises:
        UserInputError: a transform did something to the boxes that cannot be followed.
    """
    if 'gt_fields' not in results:
        return
    boxes, fields = results['gt_bboxes'], results['gt_fields']
    matrix = boxes.matrix if isinstance(boxes, FollowedBoxes) else None
    if matrix is None:
        raise UserInputError(
            f'a transform of the pipeline changed the boxes in a way that {", ".join(fields)} '
            "cannot follow, as mmdet's Mosaic, MixUp, CopyPaste and Albu do; use "
            'centernet_plugin.RandomCropAffine, or of mmdet Resize, RandomFlip, RandomCrop, '
            'MinIoURandomCrop, RandomCenterCropPad, Expand, RandomShift, RandomAffine, Rotate'
        )
    rows = boxes.rows.numpy()
    results['gt_fields'] = {name: values[rows] for name, values in fields.items()}
    if not np.array_equal(matrix, np.eye(3)):
        _warp(results, Warp(matrix[:2], flip_pairs=tuple(results.get('flip_pairs', ()))))
    results['gt_bboxes'] = FollowedBoxes.begin(boxes)


def _warp(results: dict, warp: Warp) -> None:
    if 'gt_fields' in results:
        results['gt_fields'] = {
            name: FIELD_WARPS[name](values, warp) if name in FIELD_WARPS else values
            for name, values in results['gt_fields'].items()
        }


@field_warp('keypoints')
def _keypoints(values: np.ndarray, warp: Warp) -> np.ndarray:
    """(N, J, 2) pixels."""
    return _swap(transform_points(values, warp.matrix), warp)


@field_warp('keypoints_visible')
def _swap(values: np.ndarray, warp: Warp) -> np.ndarray:
    """(N, J, ...)"""
    if not warp.mirrors or not warp.flip_pairs:
        return values
    order = np.arange(values.shape[1])
    for a, b in warp.flip_pairs:
        order[[a, b]] = order[[b, a]]
    return values[:, order]


@field_warp('depths', 'dimensions')
def _metres(values: np.ndarray, warp: Warp) -> np.ndarray:
    """As published, not trained on in zoomed images, which look nearer or farther than they are."""
    return np.full_like(values, np.nan) if warp.zoomed else values


@field_warp('alphas')
def _observation_angles(values: np.ndarray, warp: Warp) -> np.ndarray:
    """(N,) radians. A mirror exchanges left and right; cars on their heads are not known."""
    (a, b), (c, d) = warp.matrix[:, :2]
    if b or c or d < 0:
        return np.full_like(values, np.nan)
    return values if a > 0 else (2 * np.pi - values) % (2 * np.pi) - np.pi


@field_warp('locations', 'rotations_y')
def _places(values: np.ndarray, warp: Warp) -> np.ndarray:
    """(N, ...). In the frame of the camera, which sees no image that is mirrored or turned."""
    (a, b), (c, d) = warp.matrix[:, :2]
    known = not (warp.zoomed or b or c or a < 0 or d < 0)
    return values if known else np.full_like(values, np.nan)
