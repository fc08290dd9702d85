"""Boxes in the camera's frame: x to the right, y down, z ahead, in metres."""

from collections.abc import Sequence

import numpy as np

from .arrays import to_numpy


def box_corners(
    locations: np.ndarray | Sequence,
    dimensions: np.ndarray | Sequence,
    rotations_y: np.ndarray | Sequence,
) -> np.ndarray:
    """Corners of boxes in the camera's frame: four around the bottom, then those above them.

    The first two of each four are the front's: at angle 0 they are at larger x.

    Args:
        locations: centres in metres. (N, 3)
        dimensions: height, width, length in metres. (N, 3)
        rotations_y: radians. (N,)

    Returns:
        NaN for a box that is not finite. (N, 8, 3), float64
    """
    columns = [
        to_numpy(column).astype(np.float64).reshape(-1, size)
        for column, size in ((locations, 3), (dimensions, 3), (rotations_y, 1))
    ]
    boxes = np.concatenate(columns, 1)
    boxes[~np.isfinite(boxes).all(1)] = np.nan
    center, (height, width, length, angles) = boxes[:, :3], boxes[:, 3:].T[..., None]
    along = length / 2 * [1, 1, -1, -1, 1, 1, -1, -1]
    across = width / 2 * [1, -1, -1, 1, 1, -1, -1, 1]
    down = height / 2 * [1, 1, 1, 1, -1, -1, -1, -1]
    cos, sin = np.cos(angles), np.sin(angles)
    corners = np.stack([cos * along + sin * across, down, cos * across - sin * along], -1)
    return corners + center[:, None]
