"""The paper's image warp: centre, scale and rotation to a fixed network input."""

import cv2
import numpy as np


def affine_matrix(
    center: np.ndarray,
    scale: float,
    rotation: float,
    output_size: tuple[int, int],
    *,
    inverse: bool = False,
) -> np.ndarray:
    """Similarity that maps a square window of the image onto the network input.

    ``p' = k R(-rotation) (p - center) + output_size / 2`` with ``k = output width / scale``, in
    pixel-index coordinates without a half-pixel shift. It is solved from three float32 points, as
    the published code does, because its weights saw exactly these roundings.

    Args:
        center: window centre (x, y) in image pixels.
        scale: side of the window in image pixels; it lands on the output *width*.
        rotation: degrees.
        output_size: (width, height) of the network input.
        inverse: give the matrix from input to image instead.

    Returns:
        Matrix. (2, 3), float64
    """
    width, height = output_size
    angle = np.pi * rotation / 180
    up = np.array([0, -0.5 * float(scale)], np.float64)
    sin, cos = np.sin(angle), np.cos(angle)
    direction = np.array([up[0] * cos - up[1] * sin, up[0] * sin + up[1] * cos])
    source, target = np.zeros((3, 2), np.float32), np.zeros((3, 2), np.float32)
    source[0] = center
    source[1] = np.asarray(center) + direction
    target[0] = width * 0.5, height * 0.5
    target[1] = np.array([width * 0.5, height * 0.5]) + np.array([0, width * -0.5])
    for points in (source, target):
        edge = points[0] - points[1]
        points[2] = points[1] + np.array([-edge[1], edge[0]], np.float32)
    if inverse:
        source, target = target, source
    return cv2.getAffineTransform(source, target)


def transform_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Apply an affine matrix to points.

    Args:
        points: (x, y), taken as float32. (..., 2)
        matrix: (2, 3), float64.

    Returns:
        Points. (..., 2), float32
    """
    points = np.asarray(points, np.float32)
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def transform_boxes(boxes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Apply a matrix to boxes; a mirrored box keeps x1 <= x2, a rotated one is enclosed.

    Args:
        boxes: x1, y1, x2, y2. (N, 4)
        matrix: (2, 3).

    Returns:
        Boxes. (N, 4), float32
    """
    corners = boxes.reshape(-1, 2, 2)
    if matrix[0, 1] or matrix[1, 0]:
        x, y = corners[..., 0], corners[..., 1]
        corners = np.stack([x[:, [0, 1, 0, 1]], y[:, [0, 0, 1, 1]]], axis=-1)
    corners = transform_points(corners, matrix)  # (N, 2 or 4, 2)
    return np.concatenate([corners.min(1), corners.max(1)], axis=1)
