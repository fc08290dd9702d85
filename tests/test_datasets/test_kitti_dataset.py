import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from tiny_kitti import P2, SIZE, make_kitti

from centernet_plugin.datasets import KittiDataset
from centernet_plugin.datasets.kitti_files import KittiObjects, read_objects, write_objects
from centernet_plugin.errors import UserInputError
from centernet_plugin.space import box_corners
from centernet_plugin.visualization.boxes3d import project

CONFIGS = Path(__file__).parents[2] / 'configs'
CLASSES = ('Pedestrian', 'Car', 'Cyclist')
PLACE = ' 0 0 0.5 10 20 30 40 1 2 3 1 2 9 0.25\n'
DONT_CARE = 'DontCare -1 -1 -10 50 20 70 40 -1 -1 -1 -1000 -1000 -1000 -10\n'


@pytest.fixture
def label(tmp_path):
    """``label(text)`` makes frame 000000's labels that text."""
    make_kitti(tmp_path, 2)
    return (tmp_path / 'training/label_2/000000.txt').write_text


@pytest.fixture
def load(tmp_path, label):
    return lambda **kwargs: KittiDataset(data_root=str(tmp_path), **kwargs)


def kinds(info):
    return sorted((i['bbox_label'], i['ignore_flag']) for i in info['instances'])


def test_data_info(tmp_path):
    truth = make_kitti(tmp_path, 4)
    config = dict(type='centernet_plugin.KittiDataset', data_root=str(tmp_path))
    dataset = DATASETS.build(config | dict(ann_file='ImageSets/val.txt'))
    assert dataset.metainfo['classes'] == CLASSES and len(dataset.metainfo['palette']) == 3
    assert len(dataset) == 4
    for info, (frame, objects) in zip(dataset, truth.items(), strict=True):
        assert info['img_id'] == frame
        assert info['img_path'] == str(tmp_path / f'training/image_2/{frame}.png')
        assert (info['height'], info['width']) == SIZE
        assert info['cam2img'].dtype == np.float64
        np.testing.assert_allclose(info['cam2img'], P2)
        assert info['fields'] == dict(depths=(), dimensions=(3,), alphas=())
        assert len(info['instances']) == len(objects) > 0
        for i, instance in enumerate(info['instances']):
            assert instance['bbox_label'] == CLASSES.index(objects.types[i])
            assert instance['ignore_flag'] == 0
            np.testing.assert_allclose(instance['bbox'], objects.bboxes[i], atol=1e-5)
            assert instance['depths'] == pytest.approx(objects.locations[i, 2], abs=1e-5)
            np.testing.assert_allclose(instance['dimensions'], objects.dimensions[i], atol=1e-5)
            assert instance['alphas'] == pytest.approx(objects.alphas[i], abs=1e-5)


def test_what_is_ignored_as_published(load, label):
    names = ('Car', 'Van', 'Truck', 'Person_sitting', 'Tram', 'Misc', 'Cyclist')
    label(''.join(name + PLACE for name in names) + DONT_CARE)
    info = load()[0]
    ignored = [(0, 1), (1, 1), (1, 1), (0, 1), (1, 1), (2, 1)]
    assert kinds(info) == sorted([(1, 0), (2, 0), *ignored])
    for instance in info['instances']:
        known = {'depths', 'dimensions', 'alphas'} & set(instance)
        assert len(known) == (0 if instance['ignore_flag'] else 3)
    boxes = [i['bbox'] for i in info['instances'] if i['bbox'][0] == 50]
    assert boxes == [[50, 20, 70, 40]] * 3


@pytest.mark.parametrize(
    ('classes', 'expected'),
    [
        (('Car',), [(0, 0), (0, 1), (0, 1)]),
        (('Car', 'Van'), [(0, 0), (0, 1), (1, 0), (1, 1)]),
        (('Tram', 'Car'), [(0, 1), (1, 0), (1, 1), (1, 1)]),
        (('Cyclist',), [(0, 1)]),
    ],
)
def test_other_classes(load, label, classes, expected):
    label('Car' + PLACE + 'Van' + PLACE + 'Person_sitting' + PLACE + DONT_CARE)
    assert kinds(load(metainfo=dict(classes=classes))[0]) == expected


def test_other_rules(load, label):
    label('Van' + PLACE + 'Tram' + PLACE + DONT_CARE)
    info = load(ignored_as=dict(Tram=('Cyclist', 'Car')))[0]
    assert kinds(info) == [(1, 1), (2, 1)]


def test_values_that_the_file_leaves_open(load, label):
    label('Car -1 -1 -10 50 20 70 40 -1 -1 -1 -1000 -1000 -1000 -10\n')
    (instance,) = load()[0]['instances']
    assert set(instance) == {'bbox', 'bbox_label', 'ignore_flag'}


def test_filter(load, label):
    label('Van' + PLACE)
    assert len(load()) == 2
    assert len(load(filter_cfg=dict(filter_empty_gt=True))) == 1
    assert len(load(filter_cfg=dict(filter_empty_gt=True), test_mode=True)) == 2
    assert len(load(filter_cfg=dict(min_size=SIZE[0]))) == 2
    with pytest.raises(UserInputError, match='filter_cfg leaves none of the 2 frames'):
        load(filter_cfg=dict(min_size=SIZE[0] + 1))
    assert len(load(indices=1)) == 1


@pytest.mark.parametrize(
    ('name', 'kind'),
    [('image_2/000001.png', 'img'), ('calib/000001.txt', 'calib'), ('label_2/000001.txt', 'label')],
)
def test_missing_files_are_named(tmp_path, load, name, kind):
    (tmp_path / 'training' / name).unlink()
    with pytest.raises(UserInputError, match=rf'{name}. of frame 000001 .*dict\({kind}='):
        load()
    if kind == 'label':
        assert [len(info['instances']) > 0 for info in load(test_mode=True)] == [True, False]
    else:
        with pytest.raises(UserInputError, match=name):
            load(test_mode=True)


@pytest.mark.parametrize('line', ['000001.png', '1'])
def test_a_line_of_the_list_that_is_no_frame_is_named(tmp_path, load, line):
    (tmp_path / 'ImageSets/odd.txt').write_text(f'000000\n{line}\n')
    message = f"mend the line {line} of '.*odd.txt': there is 000000.png"
    with pytest.raises(UserInputError, match=message):
        load(ann_file='ImageSets/odd.txt')


def test_testing_folder(tmp_path, load):
    (tmp_path / 'training/label_2').rename(tmp_path / 'gone')
    (tmp_path / 'training').rename(tmp_path / 'testing')
    prefix = dict(img='testing/image_2', calib='testing/calib')
    dataset = load(data_prefix=prefix, test_mode=True)
    assert len(dataset) == 2 and dataset[0]['instances'] == []


def test_other_mistakes_are_named(tmp_path, load, label):
    with pytest.raises(UserInputError, match="nowhere.txt' does not exist; set data_root"):
        load(ann_file='nowhere.txt')
    with pytest.raises(UserInputError, match=r"classes=\('Car',\)"):
        load(metainfo=dict(classes='Car'))
    with pytest.raises(UserInputError, match='is a car; its types are .*Car'):
        load(metainfo=dict(classes=('car',)))
    with pytest.raises(UserInputError, match='no Tram to train on'):
        load(metainfo=dict(classes=('Tram',)))
    label('Car' + PLACE + 'Car' + PLACE.replace(' 30 ', ' 10 '))
    with pytest.raises(UserInputError, match='object 2 of .*000000.txt., a Car, has the box'):
        load()
    label('Pedestrian' + PLACE + 'car' + PLACE)
    with pytest.raises(UserInputError, match="label_2' are of the type 'car', .* not 'Car' here"):
        load()
    with pytest.raises(UserInputError, match=r"data_prefix of KittiDataset is 'foo'; set .*img="):
        load(data_prefix='foo')
    label('Car 0\n')
    with pytest.raises(UserInputError, match='line 1 of .*000000.txt'):
        load()
    label('')
    (tmp_path / 'training/image_2/000000.png').write_bytes(b'\x89PNG')
    with pytest.raises(UserInputError, match='000000.png. is not readable'):
        load()


def test_pipeline(load):
    pipeline = [dict(type='LoadImageFromFile'), dict(type='mmdet.LoadAnnotations', with_bbox=True)]
    results = load(pipeline=pipeline)[1]
    assert results['img'].shape == (*SIZE, 3)
    assert len(results['gt_bboxes']) == len(results['gt_ignore_flags']) == 2


def test_the_truth_has_its_place_in_space_where_it_is_tested(tmp_path):
    """To be drawn beside the detections: centres, in the frame of the image's camera."""
    init_default_scope('mmdet')
    truth = make_kitti(tmp_path, 3)['000002']
    cfg = Config.fromfile(CONFIGS / '_base_/datasets/kitti_warp1280x384.py')
    samples = [
        KittiDataset(data_root=str(tmp_path), **settings)[2]['data_samples'].gt_instances
        for settings in (
            dict(pipeline=cfg.test_pipeline, test_mode=True),
            dict(pipeline=cfg.train_pipeline),
        )
    ]
    gt = samples[0]
    corners = project(box_corners(gt.locations, gt.dimensions, gt.rotations_y), P2)
    pixels = corners[..., :2] / corners[..., 2:]
    boxes = np.concatenate([pixels.min(1), pixels.max(1)], 1)
    np.testing.assert_allclose(boxes, truth.bboxes, atol=1e-2)
    np.testing.assert_allclose(boxes, gt.bboxes.tensor, atol=1e-2)
    assert 'locations' not in samples[1] and 'depths' in samples[1]


def test_tiny_set_fits_its_pictures(tmp_path):
    """The helper's own geometry agrees with the one that draws, and its boxes with the pixels."""
    for objects, info in zip(
        make_kitti(tmp_path, 3).values(),
        KittiDataset(data_root=str(tmp_path), pipeline=[dict(type='LoadImageFromFile')]),
        strict=True,
    ):
        boxes = projected(objects, P2)
        np.testing.assert_allclose(boxes, objects.bboxes, atol=1e-6)
        for x1, y1, x2, y2 in np.round(boxes).astype(int):
            inside = np.ptp(info['img'][y1 : y2 + 1, x1 : x2 + 1].astype(int), axis=2)
            columns, rows = np.flatnonzero(inside.max(0) > 60), np.flatnonzero(inside.max(1) > 60)
            assert columns[[0, -1]].tolist() == pytest.approx([0, x2 - x1], abs=1)
            assert rows[[0, -1]].tolist() == pytest.approx([0, y2 - y1], abs=1)


def projected(objects: KittiObjects, cam2img: np.ndarray) -> np.ndarray:
    """2D boxes around the 3D boxes. (n, 4)"""
    centers = objects.locations - objects.dimensions[:, :1] / 2 * [0, 1, 0]
    corners = project(box_corners(centers, objects.dimensions, objects.rotations_y), cam2img)
    pixels = corners[..., :2] / corners[..., 2:]
    return np.concatenate([pixels.min(1), pixels.max(1)], 1)


@pytest.mark.skipif('KITTI_ROOT' not in os.environ, reason='KITTI_ROOT is not set')
def test_real_frames(tmp_path):
    """Of the 16 frames of two repositories' tests; others at that place may be more."""
    root = Path(os.environ['KITTI_ROOT'])
    dataset = KittiDataset(data_root=str(root))
    if len(dataset) != 16:
        pytest.skip('not the 16 frames whose numbers are known')
    counts, ious = Counter(), []
    for info in dataset:
        counts.update(i['bbox_label'] for i in info['instances'] if not i['ignore_flag'])
        objects = read_objects(root / f'training/label_2/{info["img_id"]}.txt')
        write_objects(tmp_path / 'a.txt', objects)
        assert (read_objects(tmp_path / 'a.txt').locations == objects.locations).all()
        whole = np.array([t != 'DontCare' for t in objects.types]) & (objects.truncated == 0)
        known = replace(
            objects,
            bboxes=objects.bboxes[whole],
            dimensions=objects.dimensions[whole],
            locations=objects.locations[whole],
            rotations_y=objects.rotations_y[whole],
        )
        limit = np.array([info['width'], info['height']] * 2) - 1
        boxes = projected(known, info['cam2img']).clip(0, limit)
        low, high = (
            pick(boxes[:, part], known.bboxes[:, part])
            for pick, part in ((np.maximum, slice(2)), (np.minimum, slice(2, 4)))
        )
        common = (high - low).clip(0).prod(1)
        areas = [(b[:, 2:] - b[:, :2]).prod(1) for b in (boxes, known.bboxes)]
        ious += (common / (sum(areas) - common)).tolist()
    assert [counts[i] for i in range(3)] == [15, 56, 6]
    assert len(ious) == 68 and np.mean(ious) == pytest.approx(0.917, abs=1e-3)
