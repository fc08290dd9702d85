"""Fields of the annotations: loaded, warped with the image, dropped with their boxes, packed."""

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes

from centernet_plugin.datasets.transforms import (
    FixResAffine,
    KeepResPad,
    LoadAnnotations,
    PackDetInputs,
    RandomCropAffine,
    field_warp,
)
from centernet_plugin.datasets.transforms.fields import FIELD_WARPS, Warp, warp_fields
from centernet_plugin.errors import UserInputError

# A figure whose joints are dots of their own colours: blue, green on its left, red on its right.
POINTS = np.array([[80, 30], [60, 60], [100, 70]], np.float32)
COLORS = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]


def scene(**extra):
    image = np.zeros((120, 160, 3), np.uint8)
    for (x, y), color in zip(POINTS.astype(int).tolist(), COLORS, strict=True):
        cv2.circle(image, (x, y), 4, color, -1)
    fields = dict(
        keypoints=np.stack([POINTS, np.full_like(POINTS, np.nan)]),
        keypoints_visible=np.array([[2, 1, 2], [0, 0, 0]], np.float32),
        distance=np.array([7, np.nan], np.float32),
    )
    return dict(
        img=image,
        img_shape=image.shape[:2],
        ori_shape=image.shape[:2],
        gt_bboxes=HorizontalBoxes(np.array([[50, 20, 110, 80], [0, 100, 20, 119]], np.float32)),
        gt_bboxes_labels=np.array([0, 0]),
        gt_ignore_flags=np.array([False, True]),
        gt_fields=fields | extra,
        flip_pairs=[(1, 2)],
    )


def colour_at(image, point):
    x, y = np.round(point).astype(int)
    height, width = image.shape[:2]
    if not (1 <= x < width - 1 and 1 <= y < height - 1):
        return None
    return image[y - 1 : y + 2, x - 1 : x + 2].mean((0, 1))


def assert_dots_are_joints(results, mirrored):
    order = [0, 2, 1] if mirrored else [0, 1, 2]
    points = results['gt_fields']['keypoints'][0]
    seen = 0
    for joint, color in enumerate(order):
        found = colour_at(results['img'], points[joint])
        if found is not None:
            assert found.argmax() == color and found.max() > 60, (joint, points, found)
            seen += 1
    return seen


@pytest.mark.parametrize('flips', [(0, 0), (1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize('options', [{}, dict(resample='resize'), dict(rotate_prob=1, rotate=30)])
def test_joints_stay_on_their_dots(flips, options):
    np.random.seed(0)
    transform = RandomCropAffine(
        size=(128, 128), flip_prob=flips[0], vertical_flip_prob=flips[1], **options
    )
    seen = 0
    for _ in range(15):
        results = transform(scene())
        if len(results['gt_bboxes']) == 0 or np.isnan(results['gt_fields']['keypoints'][0]).all():
            continue
        # Half a turn exchanges nothing.
        seen += assert_dots_are_joints(results, mirrored=flips[0] != flips[1])
        visible = results['gt_fields']['keypoints_visible'][0].tolist()
        assert visible == ([2, 2, 1] if flips[0] != flips[1] else [2, 1, 2])
    assert seen > 10


def test_rotated_boxes_enclose_the_object():
    np.random.seed(1)
    transform = RandomCropAffine(
        size=(200, 200), scales=(1.3,), border=10, flip_prob=0, rotate_prob=1, rotate=20
    )
    angles = set()
    for _ in range(10):
        results = transform(scene())
        box = results['gt_bboxes'].tensor[0].numpy()
        points = results['gt_fields']['keypoints'][0]
        assert (points > box[:2]).all() and (points < box[2:]).all()
        edge = points[2] - points[1]
        angles.add(round(float(np.degrees(np.arctan2(edge[1], edge[0])))))
    assert len(angles) > 5
    with pytest.raises(ValueError, match="resample='warp'"):
        RandomCropAffine(rotate_prob=0.5, rotate=10, resample='resize')


@pytest.mark.parametrize(
    'transform',
    [KeepResPad(pad=31), KeepResPad(pad=31, scale=1.5), FixResAffine(size=(128, 128))],
)
def test_joints_follow_the_test_transforms(transform):
    assert assert_dots_are_joints(transform(scene()), mirrored=False) == 3


def mmdets(kind, **settings):
    return TRANSFORMS.build(dict(type=f'mmdet.{kind}', **settings))


@pytest.mark.parametrize(
    'before, after, mirrored',
    [
        ([mmdets('Resize', scale=(200, 90), keep_ratio=False)], [], False),
        ([mmdets('RandomFlip', prob=1.0)], [], True),
        ([mmdets('RandomFlip', prob=1.0), mmdets('Resize', scale=(320, 240))], [], True),
        ([mmdets('Resize', scale=(240, 180)), KeepResPad(pad=31)], [], False),
        ([KeepResPad(pad=31)], [mmdets('RandomFlip', prob=1.0)], True),
    ],
)
def test_joints_follow_mmdets_transforms(before, after, mirrored):
    results = scene()
    for transform in before + after:
        results = transform(results)
    sample = PackDetInputs(meta_keys=())(results)['data_samples']
    results['gt_fields'] = dict(keypoints=sample.gt_instances.keypoints.numpy())
    assert assert_dots_are_joints(results, mirrored) == 3


def test_instances_that_leave_the_picture_take_their_fields_along():
    np.random.seed(0)
    counts = set()
    for _ in range(40):
        results = RandomCropAffine(size=(64, 64), scales=(0.5,), border=30)(scene())
        fields = results['gt_fields']
        assert all(len(values) == len(results['gt_bboxes']) for values in fields.values())
        for row, ignored in enumerate(results['gt_ignore_flags']):
            assert np.isnan(fields['distance'][row]) == ignored
        counts.add(len(results['gt_bboxes']))
    assert len(counts) > 1


def test_zoom_makes_metres_unknown_and_mirrors_turn_angles():
    fields = dict(
        depths=np.array([3.0]), dimensions=np.ones((1, 3)), alphas=np.array([0.5]), other=np.ones(1)
    )
    results = dict(gt_fields=dict(fields))
    warp_fields(results, np.array([[-2.0, 0, 50], [0, 2.0, 0]]), zoomed=True)
    assert np.isnan(results['gt_fields']['depths']).all()
    assert np.isnan(results['gt_fields']['dimensions']).all()
    assert results['gt_fields']['alphas'] == pytest.approx(np.pi - 0.5)
    assert results['gt_fields']['other'] == 1
    results = dict(gt_fields=dict(fields))
    warp_fields(results, np.array([[2.0, 0, 50], [0, -2.0, 0]]))
    assert results['gt_fields']['depths'] == 3 and np.isnan(results['gt_fields']['alphas'])
    for angle in (-3.0, -0.1, 3.1):
        results = dict(gt_fields=dict(alphas=np.array([angle])))
        warp_fields(results, np.array([[-1.0, 0, 0], [0, 1, 0]]))
        (turned,) = results['gt_fields']['alphas']
        assert -np.pi <= turned <= np.pi
        assert np.cos(turned) == pytest.approx(-np.cos(angle))
        assert np.sin(turned) == pytest.approx(np.sin(angle))


def test_own_fields_may_have_a_rule():
    @field_warp('velocity_for_test')
    def velocity(values: np.ndarray, warp: Warp) -> np.ndarray:
        return values @ warp.matrix[:, :2].T

    try:
        results = scene(velocity_for_test=np.array([[1, 2], [np.nan, np.nan]]))
        moved = RandomCropAffine(size=(64, 64), flip_prob=1, scales=(1.0,))(results)
        assert moved['gt_fields']['velocity_for_test'][0].tolist() == pytest.approx([-0.4, 0.8])
    finally:
        FIELD_WARPS.pop('velocity_for_test')


def test_loading():
    instances = [
        dict(bbox=[0, 0, 9, 9], bbox_label=0, ignore_flag=0, distance=4.5, size=[1, 2]),
        dict(bbox=[5, 5, 9, 9], bbox_label=1, ignore_flag=1),
    ]
    base = dict(img_shape=(20, 20), instances=instances)
    results = LoadAnnotations()(dict(base, fields=dict(distance=(), size=(2,))))
    np.testing.assert_array_equal(results['gt_fields']['distance'], np.float32([4.5, np.nan]))
    np.testing.assert_array_equal(results['gt_fields']['size'], [[1, 2], [np.nan, np.nan]])
    assert results['gt_fields']['size'].dtype == np.float32
    assert len(results['gt_bboxes']) == 2
    assert 'gt_fields' not in LoadAnnotations()(dict(base))
    empty = LoadAnnotations()(dict(base, instances=[], fields=dict(distance=(), size=(2,))))
    assert empty['gt_fields']['size'].shape == (0, 2)


def test_packing_splits_what_is_ignored():
    sample = PackDetInputs(meta_keys=())(scene())['data_samples']
    assert sample.gt_instances.distance.tolist() == [7]
    assert sample.gt_instances.keypoints.shape == (1, 3, 2)
    assert sample.ignored_instances.distance.isnan().tolist() == [True]
    assert sample.gt_instances.keypoints.dtype == torch.float32
    results = scene()
    results.pop('gt_ignore_flags')
    assert len(PackDetInputs(meta_keys=())(results)['data_samples'].gt_instances.distance) == 2


def test_boxes_dropped_without_their_fields_are_named():
    results = scene()
    results['gt_bboxes'] = results['gt_bboxes'][:1]
    results['gt_bboxes_labels'], results['gt_ignore_flags'] = np.array([0]), np.array([False])
    with pytest.raises(UserInputError, match='dropped instances, but not their keypoints'):
        PackDetInputs(meta_keys=())(results)
