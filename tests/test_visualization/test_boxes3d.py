"""3D boxes in the image and from above: where their corners are, and what is behind the camera."""

import numpy as np
import pytest
from tiny_kitti import P2, SIZE, project_corners

from centernet_plugin.space import box_corners
from centernet_plugin.visualization import class_color, draw_birds_eye, draw_boxes3d
from centernet_plugin.visualization.boxes3d import clip_segments, project

NAMES = ('disc', 'box', 'star')
NOTHING = (np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0))
CAR = ([[0, 0.8, 10]], [[1.5, 1.6, 4]], [0.3])


@pytest.fixture
def image():
    return np.full((*SIZE, 3), 128, np.uint8)


def changed(picture, before):
    return np.any(picture != before, axis=2)


def test_corners_by_hand():
    (corners,) = box_corners([[1, 2, 10]], [[1.5, 1.6, 4]], [0])
    assert corners[:4, 1].tolist() == [2.75] * 4, 'y points down, the first four are the bottom'
    assert corners[4:, 1].tolist() == [1.25] * 4
    np.testing.assert_allclose(corners[4:, [0, 2]], corners[:4, [0, 2]])
    front = corners[[0, 1, 4, 5]]
    assert front[:, 0].tolist() == [3] * 4
    assert sorted(front[:, 2]) == pytest.approx([9.2, 9.2, 10.8, 10.8])
    (turned,) = box_corners([[1, 2, 10]], [[1.5, 1.6, 4]], [np.pi / 2])
    np.testing.assert_allclose(turned[[0, 1, 4, 5], 2], 8, atol=1e-9)  # drives to the camera


def test_projection_agrees_with_one_by_one():
    rng = np.random.default_rng(0)
    for _ in range(10):
        location, size = rng.uniform([-5, 1, 8], [5, 2, 30]), rng.uniform(0.5, 4, 3)
        ry = rng.uniform(-3, 3)
        pixels = project(box_corners([location - [0, size[0] / 2, 0]], [size], [ry]), P2)[0]
        expected = project_corners(location, size, ry)
        np.testing.assert_allclose(pixels[:, :2] / pixels[:, 2:], expected[:, :2])
        np.testing.assert_allclose(pixels[:, 2], expected[:, 2])


def test_box_is_drawn_around_its_corners_and_nothing_else_changes(image):
    before = image.copy()
    out = draw_boxes3d(image, *CAR, P2, [1], class_names=[''] * 2)
    assert out.shape == image.shape and out.dtype == np.uint8 and (image == before).all()
    pixels = project(box_corners(*CAR), P2)[0]
    pixels = pixels[:, :2] / pixels[:, 2:]
    rows, columns = np.nonzero(changed(out, image))
    ends = [columns.min(), rows.min(), columns.max(), rows.max()]
    np.testing.assert_allclose(ends, [*pixels.min(0), *pixels.max(0)], atol=3)
    for x, y in pixels.round().astype(int):
        assert changed(out, image)[y - 1 : y + 2, x - 1 : x + 2].any()
    off = np.abs(out.astype(int) - class_color(1)).max(2)  # lines are smooth
    assert (off < 30).sum() > 50


def test_front_is_marked(image):
    """On a side's diagonal there is a line where the side is the front."""
    for angle, marked in ((np.pi / 2, True), (-np.pi / 2, False)):
        box = [[2, 0.8, 9]], [[2, 2, 6]], [angle]
        out = draw_boxes3d(image, *box, P2, [0], class_names=[''])
        (corners,) = project(box_corners(*box), P2)
        nearest = corners[np.argsort(corners[:, 2])[:4]]
        (x1, y1), (x2, y2) = (pick(nearest[:, :2] / nearest[:, 2:], 0) for pick in (np.min, np.max))
        x, y = round(0.25 * x1 + 0.75 * x2), round(0.25 * y1 + 0.75 * y2)
        assert changed(out, image)[y - 1 : y + 2, x - 1 : x + 2].any() == marked


def test_scale_and_names(image):
    out = draw_boxes3d(image, *CAR, P2, [2], [0.5], NAMES, scale=2)
    assert out.shape == (192, 640, 3)
    plain = draw_boxes3d(image, *CAR, P2, [0], class_names=[''], scale=2)
    named = draw_boxes3d(image, *CAR, P2, [0], [0.5], NAMES, scale=2, notes=['10 m'])
    assert changed(plain, named).any()


def test_dashed_lines_have_gaps(image):
    solid = draw_boxes3d(image, *CAR, P2, [0], class_names=[''])
    dashed = draw_boxes3d(image, *CAR, P2, [0], class_names=[''], dashed=[True])
    assert 0.3 < changed(dashed, image).sum() / changed(solid, image).sum() < 0.95


@pytest.mark.parametrize('far', [0, 1])
def test_nearest_is_on_top(image, far):
    """A box of twice the size at twice the distance has the same edges in the picture."""
    size = np.where(np.arange(2)[:, None] == far, 2, 1)
    camera = P2 * [1, 1, 1, 0]
    boxes = size * [0, 0.8, 8], size * [1.5, 1.6, 4], [0.3, 0.3]
    colors = [(255, 255, 255), (0, 0, 255)]
    out = draw_boxes3d(image, *boxes, camera, [0, 0], class_names=[''], colors=colors)
    alone = (np.asarray(part)[[1 - far]] for part in boxes)
    one = draw_boxes3d(image, *alone, camera, [0], class_names=[''], colors=[colors[1 - far]])
    assert np.abs(out.astype(int) - one).mean() < 2


@pytest.mark.parametrize('z', [-10, -1, 0, 0.5, 1.5])
def test_what_is_behind_the_camera_makes_no_wild_lines(image, z):
    """A car to the right, partly or wholly behind, shows at most at the right half."""
    out = draw_boxes3d(
        image, [[2.5, 1, z]], [[1.5, 1.6, 4]], [np.pi / 2], P2, [0], class_names=['']
    )
    seen = changed(out, image)
    assert seen.any() == (z >= 0), 'its front 2 m ahead of its centre'
    assert not seen[:, : SIZE[1] // 2].any()


def test_camera_inside_a_box(image):
    assert draw_boxes3d(image, [[0, 0, 0]], [[4, 4, 8]], [0.3], P2, [0], class_names=NAMES).any()


def test_clipping_by_hand():
    segments = np.array(
        [
            [[10, 10, 1], [20, 10, 1]],  # inside
            [[-500, 10, 1], [500, 10, 1]],  # through
            [[50, 10, -1], [50, 10, -2]],  # behind
            [[-500, 10, 1], [-400, 10, 1]],  # beside
            [[-500, 50, 1], [50, -500, 1]],  # past a corner
            [[30, 20, 1], [30, 20, -1]],  # from the front to behind
            [[50, 25, 1], [-50, -25, -1]],  # through the camera
        ],
        float,
    )
    clipped = clip_segments(segments, 50, 100, margin=0)
    expected = [[[10, 10], [20, 10]], [[0, 10], [100, 10]], [[30, 20], [100, 50]]]
    np.testing.assert_allclose(clipped[:2], expected[:2])
    assert len(clipped) == 4
    # It leaves by the right edge: x = 30, d from 1 to 0.3.
    np.testing.assert_allclose(clipped[2], [[30, 20], [75, 50]])
    np.testing.assert_allclose(clipped[3], [[50, 25], [50, 25]])


@pytest.mark.parametrize('draw', ['image', 'above'])
def test_nothing_and_what_is_not_finite(image, draw):
    def run(*boxes, labels):
        if draw == 'image':
            return draw_boxes3d(image, *boxes, P2, labels, None, NAMES)
        return draw_birds_eye(*boxes, labels)

    empty = run(*NOTHING, labels=[])
    assert (run([], [], [], labels=[]) == empty).all()
    for bad in (np.nan, np.inf):
        assert (run([[0, 1, bad]], [[1, 1, 1]], [0], labels=[0]) == empty).all()
        assert (run([[0, 1, 9]], [[1, bad, 1]], [0], labels=[0]) == empty).all()
        assert (run([[0, 1, 9]], [[1, 1, 1]], [np.nan], labels=[0]) == empty).all()
    assert run([[1e9, 1, 1e9]], [[1e9, 1, 1e8]], [0], labels=[99]).shape == empty.shape
    if draw == 'image':
        assert (empty == image).all()


def test_birds_eye_places_boxes_in_metres():
    empty = draw_birds_eye(*NOTHING, [])
    assert empty.shape == (720, 720, 3)
    out = draw_birds_eye([[10, 1, 30]], [[1.5, 2, 4]], [0], [1])
    rows, columns = np.nonzero(changed(out, empty))
    ratio = 720 / 60
    heading = 1  # metres of the line ahead of the front
    left, right = 360 + 8 * ratio, 360 + (12 + heading) * ratio
    np.testing.assert_allclose([columns.min(), columns.max()], [left, right], atol=4)
    np.testing.assert_allclose(
        [rows.min(), rows.max()], [720 - 31 * ratio, 720 - 29 * ratio], atol=4
    )


def test_birds_eye_heading_and_second_layer():
    truth = draw_birds_eye([[0, 1, 30]], [[1.5, 2, 4]], [-np.pi / 2], [0], NAMES)
    rows, _ = np.nonzero(changed(truth[60:], draw_birds_eye(*NOTHING, [])[60:]))
    assert rows.min() + 60 == pytest.approx(720 - 33 * 12, abs=4), 'drives away: up'
    before = truth.copy()
    both = draw_birds_eye(
        [[5, 1, 30]], [[1.5, 2, 4]], [0], [0], colors=[(255, 255, 255)], dashed=[1], canvas=truth
    )
    assert (truth == before).all() and changed(both, truth)[:, 360 + 30 :].any()
    assert not changed(both, truth)[:, : 360 + 30].any()
