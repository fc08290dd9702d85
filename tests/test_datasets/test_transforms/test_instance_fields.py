"""Fields of the annotations: loaded, warped with the image, dropped with their boxes, packed."""

import copy
import pickle
import random

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
from centernet_plugin.datasets.transforms.fields import (
    FIELD_WARPS,
    Warp,
    attach_fields,
    warp_fields,
)
from centernet_plugin.datasets.transforms.followed_boxes import FollowedBoxes
from centernet_plugin.errors import UserInputError

CROP_PAD = dict(
    crop_size=(96, 96), ratios=(1.0,), mean=[0] * 3, std=[1] * 3, to_rgb=False, test_pad_mode=None
)
EXPAND = dict(mean=[0, 0, 0], to_rgb=False, ratio_range=(1.2, 2))
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
    results = dict(
        img=image,
        img_shape=image.shape[:2],
        ori_shape=image.shape[:2],
        gt_bboxes=HorizontalBoxes(np.array([[50, 20, 110, 80], [0, 100, 20, 119]], np.float32)),
        gt_bboxes_labels=np.array([0, 0]),
        gt_ignore_flags=np.array([False, True]),
        flip_pairs=[(1, 2)],
    )
    attach_fields(results, fields | extra)
    return results


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
        ([mmdets('Rotate', prob=1.0, level=4)], [mmdets('RandomFlip', prob=1.0)], True),
        ([mmdets('Resize', scale=(200, 150))], [mmdets('Expand', prob=1.0, **EXPAND)], False),
        ([mmdets('RandomShift', prob=1.0, max_shift_px=15)], [KeepResPad(pad=31)], False),
        ([mmdets('RandomAffine', max_rotate_degree=5, max_shear_degree=0)], [], False),
        ([mmdets('MinIoURandomCrop')], [mmdets('Resize', scale=(160, 120))], False),
        ([mmdets('RandomCrop', crop_size=(100, 120))], [], False),
        ([mmdets('RandomCenterCropPad', **CROP_PAD)], [mmdets('RandomFlip', prob=1.0)], True),
    ],
)
def test_joints_follow_mmdets_transforms(before, after, mirrored):
    seen = 0
    for seed in range(5):
        np.random.seed(seed)
        random.seed(seed)
        results = scene()
        results['img'] = results['img'].astype(np.float32)  # RandomCenterCropPad wants it
        for transform in before + after:
            results = transform(results)
        sample = PackDetInputs(meta_keys=())(results)['data_samples']
        assert type(sample.gt_instances.bboxes) is HorizontalBoxes
        if not len(sample.gt_instances):
            continue  # cropped away
        results['gt_fields'] = dict(keypoints=sample.gt_instances.keypoints.numpy())
        seen += assert_dots_are_joints(results, mirrored)
    assert seen >= 10


CANNOT_FOLLOW = [
    mmdets('MixUp', img_scale=(160, 120), ratio_range=(1, 1)),
    mmdets('Mosaic', img_scale=(160, 120), prob=1.0),
]


@pytest.mark.parametrize('last', [PackDetInputs(meta_keys=()), FixResAffine(size=(64, 64))])
@pytest.mark.parametrize('transform', CANNOT_FOLLOW, ids=lambda one: type(one).__name__)
def test_what_they_cannot_follow_is_named(transform, last):
    """Also behind a transform that notes a matrix, and before one."""
    resize = mmdets('Resize', scale=(320, 240))
    others = [scene() for _ in range(3 if 'Mosaic' in repr(transform) else 1)]
    results = resize(scene()) | dict(mix_results=others)
    results['img'] = results['img'].astype(np.float32)
    with pytest.raises(UserInputError, match='keypoints, .* cannot follow'):
        last(resize(transform(results)))


def test_boxes_that_somebody_writes_are_noticed():
    results = scene()
    results['gt_bboxes'].tensor[0] += 1
    results['gt_bboxes'].translate_((3, 4))  # does not hide it
    with pytest.raises(UserInputError, match='cannot follow'):
        PackDetInputs(meta_keys=())(results)
    results = scene() | dict(gt_bboxes=HorizontalBoxes(np.ones((2, 4), np.float32)))
    with pytest.raises(UserInputError, match='cannot follow'):
        PackDetInputs(meta_keys=())(results)


@pytest.mark.parametrize(
    'before', [[mmdets('Resize', scale=(80, 60))], [FixResAffine(size=(64, 64))]]
)
def test_what_was_done_before_the_annotations_were_loaded_moves_none(before):
    """mmdet's order in tests: the truth stays in the original's pixels, and all of it."""
    instance = dict(bbox=[50, 20, 110, 80], bbox_label=0, ignore_flag=0, keypoints=POINTS)
    results = dict(scene(), instances=[instance], fields=dict(keypoints=(3, 2)))
    for key in ('gt_bboxes', 'gt_bboxes_labels', 'gt_ignore_flags', 'gt_fields'):
        results.pop(key)
    keys = ('homography_matrix',) if 'Resize' in repr(before) else ()
    for transform in [*before, LoadAnnotations(), PackDetInputs(meta_keys=keys)]:
        results = transform(results)
    sample = results['data_samples']
    np.testing.assert_array_equal(sample.gt_instances.bboxes.tensor, [[50, 20, 110, 80]])
    np.testing.assert_array_equal(sample.gt_instances.keypoints[0], POINTS)
    assert all(key in sample for key in keys), 'the matrix is there for others'


def test_followed_boxes_as_mmdet_handles_them():
    boxes = FollowedBoxes.begin(np.array([[0, 0, 4, 2], [1, 1, 3, 3], [2, 2, 6, 4]], np.float32))
    boxes.rescale_((2, 3))
    copies = [boxes.clone(), copy.deepcopy(boxes), pickle.loads(pickle.dumps(boxes))]
    for one in copies:
        one.flip_((50, 40), 'diagonal')
        chosen = one[np.array([True, False, True])][torch.tensor([1])]
        chosen.clip_((50, 35))
        assert chosen.rows.tolist() == [2]
        assert chosen.matrix.tolist() == [[-2, 0, 40], [0, -3, 50], [0, 0, 1]]
        assert chosen.tensor.tolist() == [[28, 38, 35, 44]]
    assert boxes.matrix.tolist() == [[2, 0, 0], [0, 3, 0], [0, 0, 1]], 'copies are their own'
    assert boxes[1].rows.tolist() == [1] and boxes[1:].rows.tolist() == [1, 2]
    assert boxes.convert_to('hbox') is boxes
    boxes.project_(np.array([[1, 0, 0], [0, 1, 0], [0.1, 0, 1]], np.float32))
    assert boxes.matrix is None, 'no affine warp'
    assert FollowedBoxes.cat([copies[0], copies[1]]).matrix is None


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


def boxed(fields):
    """One instance and its fields."""
    results = dict(gt_bboxes=np.array([[5, 5, 9, 9]], np.float32))
    attach_fields(results, fields)
    return results


def test_zoom_makes_metres_unknown_and_mirrors_turn_angles():
    fields = dict(
        depths=np.array([3.0]), dimensions=np.ones((1, 3)), alphas=np.array([0.5]), other=np.ones(1)
    )
    results = boxed(fields)
    warp_fields(results, np.array([[-2.0, 0, 50], [0, 2.0, 0]]), zoomed=True)
    assert np.isnan(results['gt_fields']['depths']).all()
    assert np.isnan(results['gt_fields']['dimensions']).all()
    assert results['gt_fields']['alphas'] == pytest.approx(np.pi - 0.5)
    assert results['gt_fields']['other'] == 1
    results = boxed(fields)
    warp_fields(results, np.array([[2.0, 0, 50], [0, -2.0, 0]]))
    assert results['gt_fields']['depths'] == 3 and np.isnan(results['gt_fields']['alphas'])
    for angle in (-3.0, -0.1, 3.1):
        results = boxed(dict(alphas=np.array([angle])))
        warp_fields(results, np.array([[-1.0, 0, 0], [0, 1, 0]]))
        (turned,) = results['gt_fields']['alphas']
        assert -np.pi <= turned <= np.pi
        assert np.cos(turned) == pytest.approx(-np.cos(angle))
        assert np.sin(turned) == pytest.approx(np.sin(angle))


@pytest.mark.parametrize(
    ('matrix', 'zoomed', 'known'),
    [
        ([[2.0, 0, 5], [0, 2, 7]], False, True),
        ([[2.0, 0, 5], [0, 2, 7]], True, False),
        ([[-1.0, 0, 5], [0, 1, 0]], False, False),
        ([[0.9, 0.1, 5], [-0.1, 0.9, 0]], False, False),
    ],
)
def test_places_are_those_of_the_camera(matrix, zoomed, known):
    fields = dict(locations=np.array([[1.0, 2, 9]]), rotations_y=np.array([0.3]))
    results = boxed(fields)
    warp_fields(results, np.array(matrix), zoomed)
    for name, values in fields.items():
        np.testing.assert_array_equal(
            results['gt_fields'][name], values if known else values * np.nan
        )


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
