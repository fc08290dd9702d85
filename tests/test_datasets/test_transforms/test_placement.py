"""Test-time transforms: where the image lies, and how to get back."""

import cv2
import numpy as np
import pytest

from centernet_plugin.datasets.transforms import FixResAffine, KeepResPad


def results_of(height, width):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    boxes = np.array([[10, 12, 40, 33]], np.float32)
    return dict(img=image, img_shape=(height, width), gt_bboxes=boxes)


@pytest.mark.parametrize(
    ('size', 'pad', 'expected'),
    [(640, 31, 672), (640, 127, 768), (639, 31, 640), (427, 31, 448), (375, 31, 384)],
)
def test_padded_size_is_the_published_one(size, pad, expected):
    out = KeepResPad(pad=pad)(results_of(size, 50))
    assert out['img'].shape[0] == expected == out['img_shape'][0]


def test_keep_res_copies_pixels_and_places_them_as_published():
    results = results_of(427, 640)
    image = results['img'].copy()
    out = KeepResPad()(results)
    top, bottom, left, right = out['border'].astype(int)
    assert (left, 672 - right, top, 448 - bottom) == (16, 16, 11, 10)
    np.testing.assert_array_equal(out['img'][top:bottom, left:right], image)
    assert out['img'].astype(int).sum() == image.astype(int).sum(), 'padding is black'
    assert out['gt_bboxes'].tolist() == [[26, 23, 56, 44]]


def test_fix_res_matrix():
    out = FixResAffine(size=(512, 512))(results_of(375, 500))
    k = 512 / 500
    assert out['scale_factor'] == pytest.approx((k, k), abs=1e-6)
    top, bottom, left, right = out['border']
    assert (left, right) == pytest.approx((0, 512), abs=1e-4)
    assert (top, bottom) == pytest.approx((256 - k * 187.5, 256 + k * 187.5), abs=1e-4)


def test_steps_compose():
    """Scale and border of several steps give the way back to the original image."""
    results = results_of(60, 90)
    results['scale_factor'] = (2.0, 2.0)  # as if Resize had doubled a 30 x 45 image
    original = np.array([[3, 4, 20, 16]], np.float32)
    results['gt_bboxes'] = original * 2
    out = FixResAffine(size=(128, 128))(KeepResPad()(results))
    shift = np.array([out['border'][2], out['border'][0]] * 2)
    back = (out['gt_bboxes'] - shift) / np.array(out['scale_factor'] * 2)
    np.testing.assert_allclose(back, original, atol=1e-4)


def test_pad_must_be_a_power_of_two_minus_one():
    with pytest.raises(ValueError, match='31'):
        KeepResPad(pad=32)


def test_scale_resizes_as_published():
    """Sides are cut to whole pixels, and the way back divides by the scale alone."""
    results = results_of(427, 641)
    image = results['img'].copy()
    out = KeepResPad(scale=0.5)(results)
    top, bottom, left, right = out['border']
    assert out['img'].shape == (224, 352, 3)  # of 213 x 320
    assert (top, left) == (112 - 106, 176 - 160)
    assert (bottom, right) == (6 + 213.5, 16 + 320.5), 'the scaled image, not its whole pixels'
    np.testing.assert_array_equal(
        out['img'][6 : 6 + 213, 16 : 16 + 320], cv2.resize(image, (320, 213))
    )
    assert out['scale_factor'] == (0.5, 0.5)
    assert out['gt_bboxes'].tolist() == [[5 + 16, 6 + 6, 20 + 16, 16.5 + 6]]


def test_scaled_sides_are_cut_not_rounded():
    results = results_of(67, 97)  # 46.9 x 67.9 pixels
    image = results['img'].copy()
    out = KeepResPad(scale=0.7)(results)
    assert out['img'].shape == (64, 96, 3)
    np.testing.assert_array_equal(out['img'][9:55, 15:82], cv2.resize(image, (67, 46)))


def test_no_scale_is_too_small():
    assert KeepResPad(scale=0.01)(results_of(20, 30))['img'].shape == (32, 32, 3)
    with pytest.raises(ValueError, match='scale'):
        KeepResPad(scale=0)
