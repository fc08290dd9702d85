"""Overlaps of KITTI's boxes: in the image, on the ground and in space.

Legend: D detections, G objects. A box in space is x, y, z, height, width, length, rotation_y:
(x, y, z) the centre of its bottom in the camera frame (x right, y down, z forward), metres; the
rotation turns about y, radians, and at 0 the length lies along x.
"""

import numpy as np
import shapely

from ...datasets.kitti_files import KittiObjects
from ...space import box_corners


def image_overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes x1, y1, x2, y2 in pixels: (D, 4), (G, 4) -> (D, G)."""
    shared = _image_intersections(boxes, others)
    return _ratio(shared, _areas(boxes)[:, None] + _areas(others) - shared)


def image_coverage(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Part of each box that lies inside each other one: (D, 4), (G, 4) -> (D, G)."""
    return _ratio(_image_intersections(boxes, others), _areas(boxes)[:, None])


def space_overlaps(boxes: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intersection over union on the ground and in space.

    Args:
        boxes: see the legend. A box of no extent or with a value that is not finite overlaps
            nothing. (D, 7)
        others: the same. (G, 7)

    Returns:
        Of the outlines seen from above, and of the volumes. Both (D, G)
    """
    ground = _ground_intersections(boxes, others)
    areas, other_areas = (b[:, 4] * b[:, 5] for b in (boxes, others))
    bottom = np.minimum(boxes[:, None, 1], others[:, 1])
    top = np.maximum(boxes[:, None, 1] - boxes[:, None, 3], others[:, 1] - others[:, 3])
    # Where nothing is shared on the ground, heights may be anything, also not finite.
    shared = np.where(ground > 0, ground * np.maximum(bottom - top, 0), 0)
    volumes, other_volumes = areas * boxes[:, 3], other_areas * others[:, 3]
    return (
        _ratio(ground, areas[:, None] + other_areas - ground),
        _ratio(shared, volumes[:, None] + other_volumes - shared),
    )


def space_boxes(objects: KittiObjects) -> np.ndarray:
    """Boxes in space as in the legend. (n, 7)"""
    parts = [objects.locations, objects.dimensions, np.reshape(objects.rotations_y, (-1, 1))]
    return np.concatenate(parts, 1).astype(np.float64)


def ground_corners(boxes: np.ndarray) -> np.ndarray:
    """Corners x, z of the outlines seen from above, in metres: (n, 7) -> (n, 4, 2)."""
    corners = box_corners(boxes[:, :3], boxes[:, 3:6], boxes[:, 6])
    return corners[:, :4, ::2]  # around the bottom, without their heights


def _ground_intersections(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Shared areas seen from above, in square metres. (D, G)"""
    usable, other_usable = _usable(boxes), _usable(others)
    # Cutting polygons costs most by far: only pairs whose surrounding circles meet.
    boxes, others = np.where(usable[:, None], boxes, 0), np.where(other_usable[:, None], others, 0)
    distances = np.hypot(*(boxes[:, None, axis] - others[:, axis] for axis in (0, 2)))
    radii, other_radii = (np.hypot(b[:, 4], b[:, 5]) / 2 for b in (boxes, others))
    near = distances < radii[:, None] + other_radii
    rows, columns = np.nonzero(near & usable[:, None] & other_usable)
    shared = np.zeros(near.shape)
    if len(rows):
        outlines, other_outlines = (shapely.polygons(ground_corners(b)) for b in (boxes, others))
        cut = shapely.intersection(outlines[rows], other_outlines[columns])
        shared[rows, columns] = shapely.area(cut)
    return shared


def _usable(boxes: np.ndarray) -> np.ndarray:
    return np.isfinite(boxes).all(1) & (boxes[:, 3:6] > 0).all(1)


def _image_intersections(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    low = np.maximum(boxes[:, None, :2], others[:, :2])
    high = np.minimum(boxes[:, None, 2:], others[:, 2:])
    return np.maximum(high - low, 0).prod(-1)


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).prod(1)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Their quotient; 0 where the part is 0, whatever the whole."""
    return np.divide(part, whole, out=np.zeros(part.shape), where=part > 0)
