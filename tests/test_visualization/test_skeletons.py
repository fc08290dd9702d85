"""Skeletons: what is drawn where, in which colour, and what is left out."""

import numpy as np
import pytest

from centernet_plugin.visualization import draw_skeletons
from centernet_plugin.visualization.skeletons import LEFT, MIDDLE, RIGHT

# A nose above a left and a right hand, a left foot below its hand, and a right one.
POINTS = np.array([[50, 10], [80, 40], [20, 40], [80, 80], [20, 80]], float)
BONES = [(0, 1), (0, 2), (1, 2), (1, 3), (2, 4)]
PAIRS = [(1, 2), (3, 4)]


@pytest.fixture
def image():
    return np.full((90, 100, 3), 128, np.uint8)


def color_at(picture, x, y):
    """One of the colours that are drawn, which smooth lines come near, or the pixel's own."""
    pixel = picture[y, x].astype(int)
    near = [c for c in (LEFT, MIDDLE, RIGHT) if abs(pixel - c).max() < 30]
    return near[0] if near else tuple(pixel.tolist())


def test_sides_have_their_colours(image):
    before = image.copy()
    out = draw_skeletons(image, POINTS[None], BONES, PAIRS)
    assert (image == before).all() and out.shape == image.shape and out.dtype == np.uint8
    assert color_at(out, 80, 40) == color_at(out, 80, 60) == LEFT
    assert color_at(out, 20, 40) == color_at(out, 20, 60) == RIGHT
    assert color_at(out, 50, 10) == color_at(out, 50, 40) == MIDDLE
    assert color_at(out, 65, 25) == LEFT and color_at(out, 35, 25) == RIGHT
    assert (out[50:75, 30:70] == 128).all() and (out[:, 90:] == 128).all()


def test_without_bones_and_pairs_joints_alone_are_drawn(image):
    out = draw_skeletons(image, POINTS[None])
    assert color_at(out, 80, 40) == color_at(out, 20, 40) == MIDDLE
    assert color_at(out, 80, 60) == (128,) * 3


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_unknown_joints_are_left_out_with_their_bones(image, value):
    points = POINTS.copy()
    points[1, 1] = value
    out = draw_skeletons(image, points[None], BONES, PAIRS)
    for x, y in ((80, 40), (80, 60), (65, 25), (50, 40)):
        assert color_at(out, x, y) == (128,) * 3
    assert color_at(out, 80, 80) == LEFT and color_at(out, 20, 60) == RIGHT
    assert (draw_skeletons(image, np.full((2, 5, 2), value), BONES, PAIRS) == image).all()


def test_joints_below_the_threshold_are_left_out(image):
    scores = np.array([[1, 0.3, 1, 0.5, 1]])
    out = draw_skeletons(image, POINTS[None], BONES, PAIRS, scores, threshold=0.5)
    assert color_at(out, 80, 40) == color_at(out, 80, 60) == (128,) * 3
    assert color_at(out, 80, 80) == LEFT
    out = draw_skeletons(image, POINTS[None], BONES, PAIRS, scores, threshold=0.3)
    assert color_at(out, 80, 40) == LEFT


def test_the_first_is_on_top(image):
    points = np.stack([POINTS, POINTS[[0, 2, 1, 4, 3]]])
    assert color_at(draw_skeletons(image, points, BONES, PAIRS), 80, 60) == LEFT
    assert color_at(draw_skeletons(image, points[::-1], BONES, PAIRS), 80, 60) == RIGHT


def test_scale_enlarges_image_and_joints(image):
    out = draw_skeletons(image, POINTS[None], BONES, PAIRS, scale=3)
    assert out.shape == (270, 300, 3)
    assert color_at(out, 240, 180) == LEFT


def test_far_joints_and_grey_images_do_not_crash(image):
    points = np.array([POINTS, POINTS * 1e12 - 1e9])
    assert draw_skeletons(image[..., 0], points, BONES, PAIRS).shape == image.shape


@pytest.mark.parametrize('shape', [(0,), (0, 5, 2), (3, 0, 2)])
def test_nothing_to_draw(image, shape):
    assert (draw_skeletons(image, np.zeros(shape), BONES, PAIRS) == image).all()


def test_wrong_shape(image):
    with pytest.raises(ValueError, match=r'\(N, J, 2\), got \(5, 2\)'):
        draw_skeletons(image, POINTS, BONES)
