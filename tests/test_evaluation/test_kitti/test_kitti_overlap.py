"""Overlaps by hand, and against polygons cut edge by edge."""

import math

import kitti_obvious as obvious
import numpy as np
import pytest
from kitti_frames import frame, row

from centernet_plugin.evaluation.kitti import (
    image_coverage,
    image_overlaps,
    space_boxes,
    space_overlaps,
)


def overlaps_of(first, second):
    """On the ground and in space, of two boxes x, y, z, h, w, l, rotation_y."""
    ground, space = space_overlaps(*(np.array([box], float) for box in (first, second)))
    return ground[0, 0], space[0, 0]


def test_boxes_in_the_image():
    boxes = np.array([[0, 0, 10, 10], [20, 0, 30, 10]], float)
    others = np.array([[5, 0, 15, 10], [0, 0, 10, 10], [10, 10, 20, 20]], float)
    assert image_overlaps(boxes, others) == pytest.approx(np.array([[1 / 3, 1, 0], [0, 0, 0]]))


def test_coverage_is_the_part_of_the_first_box():
    small, large = np.array([[0, 0, 10, 10.0]]), np.array([[5, 0, 105, 100.0]])
    assert image_coverage(small, large)[0, 0] == pytest.approx(0.5)
    assert image_coverage(large, small)[0, 0] == pytest.approx(50 / 10000)


def test_no_boxes():
    none, one = np.zeros((0, 4)), np.array([[0, 0, 1, 1.0]])
    assert image_overlaps(none, one).shape == (0, 1)
    assert image_coverage(one, none).shape == (1, 0)
    ground, space = space_overlaps(np.zeros((0, 7)), np.ones((2, 7)))
    assert ground.shape == space.shape == (0, 2)


def test_quarter_turn_of_two_by_four():
    # A cross: 2 x 2 is shared of 8 + 8.
    ground, space = overlaps_of((3, 1, 9, 2, 2, 4, 0), (3, 1, 9, 2, 2, 4, math.pi / 2))
    assert ground == space == pytest.approx(4 / 12)


def test_eighth_turn_of_a_square():
    # A regular octagon of inner radius 1 is shared of 4 + 4.
    octagon = 8 * math.tan(math.pi / 8)
    ground, _ = overlaps_of((0, 0, 5, 1, 2, 2, 0), (0, 0, 5, 1, 2, 2, math.pi / 4))
    assert ground == pytest.approx(octagon / (8 - octagon))


def test_positive_rotation_turns_the_front_towards_the_camera():
    # At pi / 4 the length lies along (1, -1) in x, z: a box moved that way is still on it.
    long = (0, 0, 20, 1, 1, 10, math.pi / 4)
    assert overlaps_of(long, (2, 0, 18, 1, 1, 10, math.pi / 4))[0] > 0.5
    assert overlaps_of(long, (2, 0, 22, 1, 1, 10, math.pi / 4))[0] == 0


def test_half_turn_changes_nothing():
    box = np.array([4, 1, 12, 1.5, 1.6, 3.9, 0.3])
    assert overlaps_of(box, box + [0, 0, 0, 0, 0, 0, math.pi]) == pytest.approx((1, 1))


def test_vertical_offset_counts_in_space_only():
    # 1.5 of 2 metres of height are shared: 1.5 / (2 + 2 - 1.5).
    ground, space = overlaps_of((0, 1, 9, 2, 2, 4, 0.2), (0, 1.5, 9, 2, 2, 4, 0.2))
    assert ground == pytest.approx(1)
    assert space == pytest.approx(0.6)


def test_location_is_the_bottom():
    # Of different heights on the same ground: 1 of 1 + 3 - 1.
    assert overlaps_of((0, 2, 9, 1, 2, 4, 0), (0, 2, 9, 3, 2, 4, 0))[1] == pytest.approx(1 / 3)
    assert overlaps_of((0, 2, 9, 1, 2, 4, 0), (0, 3, 9, 1, 2, 4, 0))[1] == 0


def test_corners_of_long_boxes_meet_though_centres_are_far():
    # 10 x 1 boxes end to end with half a metre in common.
    ground, _ = overlaps_of((0, 0, 9, 1, 1, 10, 0), (9.5, 0, 9, 1, 1, 10, 0))
    assert ground == pytest.approx(0.5 / 19.5)


@pytest.mark.parametrize(
    'wrong',
    [
        (0, 0, 9, -1, -1, -1, 0),
        (0, 0, 9, 1, 0, 2, 0),
        (0, 0, 9, 1, 2, math.nan, 0),
        (math.inf, 0, 9, 1, 2, 2, 0),
        (0, math.nan, 9, 1, 2, 2, 0),
    ],
)
def test_box_without_extent_overlaps_nothing(wrong):
    good = (0, 0, 9, 1, 2, 2, 0)
    assert overlaps_of(wrong, good) == overlaps_of(good, wrong) == (0, 0)
    assert overlaps_of(wrong, wrong) == (0, 0)


def test_random_boxes_against_clipping():
    rng = np.random.default_rng(0)

    def boxes(count):
        return frame(
            *(
                row(
                    place=rng.uniform([-4, 0, 8], [4, 2, 16]),
                    size=rng.uniform([1, 0.5, 0.5], [3, 3, 6]),
                    turn=rng.uniform(-math.pi, math.pi),
                )
                for _ in range(count)
            )
        )

    found, truth = boxes(30), boxes(25)
    for metric, given in zip(
        ('bev', '3d'), space_overlaps(space_boxes(found), space_boxes(truth)), strict=True
    ):
        expected = [
            [obvious.overlap(metric, found, d, truth, g) for g in range(25)] for d in range(30)
        ]
        assert (np.array(expected) > 0.1).sum() > 50
        np.testing.assert_allclose(given, expected, atol=1e-9)
