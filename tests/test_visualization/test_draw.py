"""Drawing: sizes, what changes and what does not, and inputs that hold nothing."""

import numpy as np
import pytest

from centernet_plugin.visualization import (
    class_color,
    contact_sheet,
    crop_heatmap,
    draw_boxes,
    enlarge,
    overlay_heatmap,
    side_by_side,
)

NAMES = ('disc', 'box', 'star')


@pytest.fixture
def image():
    return np.full((90, 120, 3), 128, np.uint8)


def test_box_is_drawn_in_the_colour_of_its_class_and_nothing_else_changes(image):
    before = image.copy()
    out = draw_boxes(image, [[40, 50, 80, 80]], [1], class_names=NAMES)
    assert out.shape == image.shape and out.dtype == np.uint8
    assert (image == before).all()
    assert (out[65, 40] == class_color(1)).all()
    assert (out[80, 60] == class_color(1)).all()
    assert (out[56:78, 44:77] == 128).all()
    assert (out[:30] == 128).all() and (out[:, 100:] == 128).all()


def test_scale_enlarges_image_and_boxes(image):
    out = draw_boxes(image, [[40, 50, 80, 80]], [2], [0.5], NAMES, scale=3)
    assert out.shape == (270, 360, 3)
    assert (out[195, 120] == class_color(2)).all()
    assert enlarge(image[..., 0], 0.5).shape == (45, 60, 3)


@pytest.mark.parametrize('shape', [(0,), (0, 4)])
def test_no_boxes(image, shape):
    out = draw_boxes(image, np.zeros(shape), [], [], NAMES)
    assert (out == image).all()


@pytest.mark.parametrize(
    'box',
    [
        [80, 80, 40, 50],
        [10, 10, 10, 10],
        [-1e9, -50, 1e9, 1e9],
        [500, 500, 600, 600],
        [np.nan, 0, 5, 5],
        [0, 0, np.inf, 5],
    ],
)
def test_degenerate_boxes_do_not_crash(image, box):
    out = draw_boxes(image, [box], [7], [0.1], NAMES)
    assert out.shape == image.shape


def test_tiny_image_and_unknown_class():
    out = draw_boxes(np.zeros((3, 3, 3), np.uint8), [[0, 0, 2, 2]], [11], class_names=NAMES)
    assert out.shape == (3, 3, 3)


def test_names_of_overlapping_boxes_do_not_hide_each_other():
    canvas = np.zeros((300, 300, 3), np.uint8)
    one = draw_boxes(canvas, [[100, 100, 200, 200]], [0], class_names=NAMES)
    two = draw_boxes(canvas, [[100, 100, 200, 200]] * 2, [0, 1], class_names=NAMES)
    plate = (one[70:98] == class_color(0)).all(axis=-1).sum()
    assert plate > 50
    first = (two == class_color(0)).all(axis=-1).sum()
    second = (two == class_color(1)).all(axis=-1).sum()
    assert first > 0.7 * plate and second > 0.7 * plate


@pytest.mark.parametrize('shape', [(22, 30), (3, 22, 30), (1, 1, 1)])
def test_heatmap_shapes(image, shape):
    out = overlay_heatmap(image, np.zeros(shape), scale=2)
    assert out.shape == (180, 240, 3) and out.dtype == np.uint8
    assert np.ptp(out.reshape(-1, 3).astype(int), axis=0).max() <= 1


def test_heatmap_glows_where_the_largest_class_is(image):
    heat = np.zeros((3, 9, 12))
    heat[2, 4, 6] = 1
    out = overlay_heatmap(image, heat).astype(int)
    cold = out[0, 0]
    assert abs(out[45, 65] - cold).sum() > 150
    assert (abs(out[:, :40] - cold).sum(axis=-1) <= 3).all()


def test_heatmap_out_of_range_and_nan(image):
    out = overlay_heatmap(image, np.array([[np.nan, -5], [7, 0.5]]))
    assert out.shape == image.shape
    with pytest.raises(ValueError, match='heatmap must be'):
        overlay_heatmap(image, np.zeros(5))


def test_crop_heatmap_keeps_what_shows_the_image():
    heat = np.zeros((2, 8, 8), np.float32)
    heat[1, 3, 2] = 1  # input pixels 8..12 x 12..16
    whole = crop_heatmap(heat, dict(img_shape=(30, 28)))
    assert whole.shape == (2, 30, 28)
    assert np.unravel_index(whole[1].argmax(), whole[1].shape)[0] in range(12, 16)
    part = crop_heatmap(heat, dict(img_shape=(32, 32), border=(4, 28, 6, 30)))
    assert part.shape == (2, 24, 24)
    y, x = np.unravel_index(part[1].argmax(), part[1].shape)
    assert y in range(8, 12) and x in range(2, 6)


def test_panel_and_threshold(image):
    truth = dict(boxes=[[10, 10, 50, 50]], labels=[0], notes=['crowd'])
    found = dict(
        boxes=np.array([[10.0, 10, 50, 50], [60, 20, 90, 60]]),
        labels=np.array([0, 2]),
        scores=np.array([0.9, 0.1]),
    )
    heat = np.zeros((3, 22, 30))
    three = side_by_side(image, truth, found, heat, NAMES, title='one', panel_size=180)
    two = side_by_side(image, truth, found, None, NAMES, panel_size=180)
    assert three.shape[0] == two.shape[0]
    assert three.shape[1] - two.shape[1] == 240 + 14
    stars = (two == class_color(2)).all(axis=-1)
    assert stars[-50:].any() and not stars[:-50].any()  # only in the legend
    low = side_by_side(image, truth, found, None, NAMES, panel_size=180, score_threshold=0)
    assert (low == class_color(2)).all(axis=-1)[:-50].any()


def test_panel_of_nothing(image):
    nothing = dict(boxes=np.zeros((0, 4)), labels=np.zeros(0, int))
    many = [f'a rather long name {i}' for i in range(40)]
    out = side_by_side(image, nothing, dict(nothing, scores=np.zeros(0)), None, many)
    assert out.ndim == 3


def test_contact_sheet_grid():
    tiles = [np.full((20 + i, 30, 3), 200, np.uint8) for i in range(5)]
    sheet = contact_sheet(tiles, columns=3, gap=4)
    assert sheet.shape == (2 * 24 + 3 * 4, 3 * 30 + 4 * 4, 3)
    captioned = contact_sheet(tiles, list('abcde'), columns=3, gap=4)
    assert captioned.shape[0] > sheet.shape[0]
    assert contact_sheet(tiles[:1]).shape == (40, 50, 3)
    with pytest.raises(ValueError, match='at least one'):
        contact_sheet([])
