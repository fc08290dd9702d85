import numpy as np
import pytest
from mmdet.structures.bbox import HorizontalBoxes

from centernet_plugin.datasets.transforms import FixResAffine, RandomShiftScaleAffine
from centernet_plugin.datasets.transforms.fields import attach_fields

SIZE = (256, 77)


def scene(height=60, width=200):
    """White boxes on black; the truth about them survives any warp."""
    image = np.zeros((height, width, 3), np.uint8)
    boxes = np.array([[20, 10, 60, 40], [120, 20, 180, 50]], np.float32)
    for x1, y1, x2, y2 in boxes.astype(int):
        image[y1:y2, x1:x2] = 255
    results = dict(
        img=image,
        img_shape=image.shape[:2],
        ori_shape=image.shape[:2],
        gt_bboxes=HorizontalBoxes(boxes),
        gt_bboxes_labels=np.array([0, 1]),
        gt_ignore_flags=np.array([False, True]),
        cam2img=np.eye(3, 4),
    )
    fields = dict(
        depths=np.array([7, 9], np.float32),
        dimensions=np.ones((2, 3), np.float32),
        alphas=np.array([0.5, 1], np.float32),
    )
    attach_fields(results, fields)
    return results


def boxes_of(results):
    return results['gt_bboxes'].tensor.numpy()


def test_without_augmentation_as_published():
    results = scene(375, 1242)
    out = RandomShiftScaleAffine(prob=0)(results)
    assert out['img'].shape == (384, 1280, 3) and out['img_shape'] == (384, 1280)
    assert out['scale_factor'] == pytest.approx((1.030596, 1.030596), abs=1e-6)
    top, bottom, left, right = out['border']
    assert (top, left, right) == pytest.approx((-1.2367, 0, 1280), abs=1e-3)
    assert bottom == pytest.approx(375 * 1.030596 - 1.2367, abs=1e-3)
    assert out['gt_fields']['depths'].tolist() == [7, 9]
    assert out['gt_bboxes_labels'].tolist() == [0, 1]
    back = (boxes_of(out) - [left, top] * 2) / 1.030596
    np.testing.assert_allclose(back, boxes_of(scene()), atol=1e-3)


@pytest.mark.parametrize('shape', [(60, 200), (375, 1242), (90, 200)])
def test_testing_is_the_same_warp(shape):
    trained = RandomShiftScaleAffine(size=SIZE, prob=0)(scene(*shape))
    tested = FixResAffine(size=SIZE, fit='width')(scene(*shape))
    np.testing.assert_array_equal(trained['img'], tested['img'])
    np.testing.assert_allclose(boxes_of(trained), boxes_of(tested), atol=1e-4)
    for key in ('border', 'scale_factor', 'img_shape'):
        np.testing.assert_array_equal(trained[key], tested[key])


def test_fit_of_the_width_or_of_the_longest_side():
    for fit, scale in (('width', 0.64), ('longest', 0.32)):
        out = FixResAffine(size=(64, 64), fit=fit)(scene(200, 100))
        assert out['scale_factor'][0] == pytest.approx(scale)
        assert out['border'][0] == pytest.approx(32 - 100 * scale, abs=1e-4), 'centred'
    with pytest.raises(ValueError, match='fit'):
        FixResAffine(fit='height')


def test_boxes_stay_on_their_objects():
    np.random.seed(0)
    counts = set()
    for _ in range(60):
        out = RandomShiftScaleAffine(size=SIZE, prob=1)(scene())
        boxes = boxes_of(out)
        assert out['img'].shape == (SIZE[1], SIZE[0], 3)
        assert len(boxes) == len(out['gt_bboxes_labels']) == len(out['gt_ignore_flags'])
        counts.add(len(boxes))
        seen = np.zeros(out['img'].shape[:2])
        for x1, y1, x2, y2 in boxes:
            low, high = np.clip([[x1, y1], [x2, y2]], 0, SIZE).round().astype(int)
            seen[low[1] : high[1], low[0] : high[0]] = 255
        differs = np.abs(seen - out['img'][..., 0]) > 128
        assert differs.sum() <= 0.02 * differs.size
        scale, (top, _, left, _) = out['scale_factor'][0], out['border']
        original = (boxes - [left, top] * 2) / scale
        expected = boxes_of(scene())[out['gt_bboxes_labels']]
        np.testing.assert_allclose(original, expected, atol=1e-3)
        np.testing.assert_array_equal(out['cam2img'], np.eye(3, 4))
    assert counts == {1, 2}, 'one that left the picture is dropped'


def test_metres_are_unknown_where_the_image_was_changed():
    np.random.seed(0)
    kinds = set()
    for _ in range(20):
        out = RandomShiftScaleAffine(size=SIZE, shift=0, scale=0.01)(scene())
        fields = out['gt_fields']
        zoomed = out['scale_factor'][0] != pytest.approx(
            SIZE[0] / scene()['img'].shape[1], abs=1e-9
        )
        assert np.isnan(fields['depths']).all() == zoomed
        assert np.isnan(fields['dimensions']).all() == zoomed
        assert fields['dimensions'].shape == (2, 3) and fields['dimensions'].dtype == np.float32
        assert fields['alphas'].tolist() == [0.5, 1], 'the angle is learnt from all images'
        kinds.add(zoomed)
    assert kinds == {False, True}


def test_draws_in_the_published_order():
    transform = RandomShiftScaleAffine(prob=0.5, shift=0.1, scale=0.4)
    for seed in range(30):
        np.random.seed(seed)
        changed = np.random.random() < 0.5
        s, x, y = np.random.randn(3)
        center, side = [621, 187.5], 1242
        if changed:
            side *= np.clip(s * 0.4 + 1, 0.6, 1.4)
            center[0] += 1242 * np.clip(x * 0.1, -0.2, 0.2)
            center[1] += 375 * np.clip(y * 0.1, -0.2, 0.2)
        np.random.seed(seed)
        drawn = transform._draw(375, 1242)
        np.testing.assert_allclose(drawn[0], center, rtol=1e-6)
        assert drawn[1:] == (pytest.approx(side), changed)


def test_without_boxes_and_with_none_left():
    results = scene()
    for key in ('gt_bboxes', 'gt_bboxes_labels', 'gt_ignore_flags', 'gt_fields'):
        results.pop(key)
    out = RandomShiftScaleAffine(size=SIZE, prob=1)(results)
    assert out['img'].shape == (77, 256, 3) and 'gt_fields' not in out
    results = scene() | dict(
        gt_bboxes=np.array([[20, 100, 60, 120]], np.float32),  # below the image
        gt_bboxes_labels=np.zeros(1, int),
        gt_ignore_flags=np.zeros(1, bool),
    )
    results.pop('gt_fields')
    out = RandomShiftScaleAffine(size=SIZE, prob=0)(results)
    assert out['gt_bboxes'].shape == (0, 4) and len(out['gt_bboxes_labels']) == 0


def test_scale_keeps_the_window_positive():
    with pytest.raises(ValueError, match='scale'):
        RandomShiftScaleAffine(scale=1)
