import cv2
import numpy as np

from centernet_plugin.models.functional.geometry import (
    affine_matrix,
    transform_boxes,
    transform_points,
)


def test_matrices_are_the_published_ones(steps):
    case = steps('geometry')
    for inverse, name in ((False, 'affine'), (True, 'inverse')):
        size = tuple(int(n) for n in case[f'{name}_size_wh'])
        for center, scale, angle, expected in zip(
            case['affine_center'],
            case['affine_scale'],
            case['affine_rotation_deg'],
            case[name],
            strict=True,
        ):
            matrix = affine_matrix(center, scale, angle, size, inverse=inverse)
            np.testing.assert_array_equal(matrix, expected)


def test_window_lands_on_the_input():
    matrix = affine_matrix(np.array([60.0, 40.0], np.float32), 50, 0, (200, 100))
    points = transform_points(np.array([[60, 40], [35, 40], [85, 40]]), matrix)
    np.testing.assert_allclose(points, [[100, 50], [0, 50], [200, 50]], atol=1e-4)


def test_inverse_undoes():
    center = np.array([123.4, 77.7], np.float32)
    forward = affine_matrix(center, 321, 13, (512, 384))
    back = affine_matrix(center, 321, 13, (512, 384), inverse=True)
    product = np.vstack([back, [0, 0, 1]]) @ np.vstack([forward, [0, 0, 1]])
    np.testing.assert_allclose(product, np.eye(3), atol=1e-3)


def test_boxes_stay_ordered_when_mirrored():
    mirror = np.array([[-1.0, 0, 99], [0, 1, 0]])
    boxes = transform_boxes(np.array([[10, 20, 30, 50]], np.float32), mirror)
    np.testing.assert_array_equal(boxes, [[69, 20, 89, 50]])
    assert transform_boxes(np.zeros((0, 4), np.float32), mirror).shape == (0, 4)


def test_opencv_samples_as_version_4():
    """OpenCV 5 samples warpAffine differently; the published inputs come from 4."""
    assert int(cv2.__version__.split('.')[0]) < 5
