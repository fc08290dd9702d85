import json
import os
from pathlib import Path

import numpy as np
import pytest
from mmdet.registry import DATASETS
from tiny_pose import joint_names, write_tiny_pose

from centernet_plugin.datasets import CocoPoseDataset
from centernet_plugin.datasets.joints import COCO_SIGMAS, _log_pairs, flip_pairs_of, joint_metainfo
from centernet_plugin.errors import UserInputError

CORNERS = (
    'nose',
    'left_eye_left_corner',
    'left_eye_right_corner',
    'right_eye_left_corner',
    'right_eye_right_corner',
)


@pytest.fixture
def tiny(tmp_path):
    """``tiny(change)`` writes a set of three images after a change and loads it."""
    args = write_tiny_pose(tmp_path, images=3, joints=5)
    path = tmp_path / 'person_keypoints.json'

    def load(change=None, **kwargs):
        if change:
            data = json.loads(path.read_text())
            change(data)
            path.write_text(json.dumps(data))
        return CocoPoseDataset(**args | kwargs)

    load.data = json.loads(path.read_text())
    return load


def test_joints_as_in_the_file(tiny):
    def hide(data):
        data['annotations'][0]['keypoints'][3:6] = [0, 0, 0]
        data['annotations'][0]['keypoints'][8] = 1

    info = tiny(hide)[0]
    (instance,) = info['instances']
    points = np.array(instance['keypoints'])
    raw = np.reshape(tiny.data['annotations'][0]['keypoints'], (5, 3))
    assert np.isnan(points[1]).all()
    assert np.allclose(points[[0, 2, 3, 4]], raw[[0, 2, 3, 4], :2])
    assert instance['keypoints_visible'] == [2, 0, 1, 2, 2]
    assert info['fields'] == dict(keypoints=(5, 2), keypoints_visible=(5,))
    assert info['flip_pairs'] == [(1, 2), (3, 4)]
    assert len(tiny()[1]['instances']) == 2


def test_metainfo_comes_from_the_file(tiny):
    meta = tiny().metainfo
    assert meta['keypoints'] == joint_names(5) == ('head', 'left_1', 'right_1', 'left_2', 'right_2')
    assert meta['flip_pairs'] == ((1, 2), (3, 4))
    assert meta['skeleton'] == ((0, 1), (0, 2), (0, 3), (0, 4))
    assert meta['sigmas'] == (0.067,) * 5


def test_metainfo_of_the_user_counts(tiny):
    own = dict(flip_pairs=[(1, 2)], skeleton=[(3, 4)], sigmas=[0.1] * 5, keypoints=joint_names(5))
    dataset = tiny(metainfo=own)
    assert dataset.metainfo['flip_pairs'] == ((1, 2),)
    assert dataset.metainfo['skeleton'] == ((3, 4),)
    assert dataset.metainfo['sigmas'] == (0.1,) * 5
    assert dataset[0]['flip_pairs'] == [(1, 2)]


def test_a_derived_class_says_its_joints(tiny):
    class Figures(CocoPoseDataset):
        METAINFO = CocoPoseDataset.METAINFO | dict(
            keypoints=joint_names(5), flip_pairs=(), skeleton=((0, 1),), sigmas=(0.2,) * 5
        )

    args = dict(data_root=tiny().data_root, ann_file=tiny().ann_file)
    dataset = Figures(**args, data_prefix=dict(img='images/'))
    assert dataset.metainfo['skeleton'] == ((0, 1),)
    assert dataset.metainfo['sigmas'] == (0.2,) * 5


def test_names_by_the_user_where_the_file_has_none(tiny):
    def nameless(data):
        for key in ('keypoints', 'skeleton'):
            data['categories'][0].pop(key)

    with pytest.raises(UserInputError, match='15 numbers for its keypoints instead of 3 x 17'):
        tiny(nameless)
    dataset = tiny(metainfo=dict(keypoints=joint_names(5)))
    assert dataset.metainfo['skeleton'] == ()
    assert dataset[0]['flip_pairs'] == [(1, 2), (3, 4)]


def test_default_joints_are_coco_s():
    meta = CocoPoseDataset.METAINFO
    assert len(meta['keypoints']) == 17 and meta['classes'] == ('person',)
    assert meta['flip_pairs'] == tuple((i, i + 1) for i in range(1, 17, 2))
    assert len(meta['skeleton']) == 19
    pytest.importorskip('pycocotools')
    from pycocotools.cocoeval import Params

    assert np.allclose(meta['sigmas'], Params('keypoints').kpt_oks_sigmas)


def test_crowds_and_people_without_joints_stay(tiny):
    def change(data):
        for ann in data['annotations'][:2]:
            ann.update(keypoints=[0] * 15, num_keypoints=0)
        data['annotations'][1].update(iscrowd=1)

    dataset = tiny(change, filter_cfg=dict(filter_empty_gt=True))
    assert len(dataset) == 3
    first, second = dataset[0]['instances'][0], dataset[1]['instances'][0]
    assert np.isnan(first['keypoints']).all() and first['ignore_flag'] == 0
    assert np.isnan(second['keypoints']).all() and second['ignore_flag'] == 1
    assert first['keypoints_visible'] == [0] * 5


def test_images_without_annotations_can_be_left_out(tiny):
    def change(data):
        data['annotations'] = [a for a in data['annotations'] if a['image_id'] != 2]

    assert len(tiny(change)) == 3
    assert len(tiny(filter_cfg=dict(filter_empty_gt=True))) == 2


def test_a_class_without_joints_beside_one_with(tiny):
    def change(data):
        data['categories'].append(dict(id=2, name='ball'))
        ball = dict(data['annotations'][0], id=99, category_id=2)
        ball.pop('keypoints')
        data['annotations'].append(ball)

    dataset = tiny(change, metainfo=dict(classes=('person', 'ball')))
    person, ball = dataset[0]['instances']
    assert ball['bbox_label'] == 1 and 'keypoints' in person and 'keypoints' not in ball


def test_further_fields(tiny):
    def change(data):
        for i, ann in enumerate(data['annotations']):
            ann['distance'] = i

    info = tiny(change, fields=('distance',))[0]
    assert info['instances'][0]['distance'] == 0 and 'keypoints' in info['instances'][0]
    assert info['fields'] == dict(keypoints=(5, 2), keypoints_visible=(5,), distance=())


@pytest.mark.parametrize(
    ('keypoints', 'message'),
    [
        (None, 'has no keypoints'),
        ([1, 2, 2] * 4, '12 numbers for its keypoints instead of 3 x 5'),
        ('joints', 'no numbers'),
        ([1, 2, 'x'] * 5, 'no numbers'),
        ([1, float('nan'), 2] * 5, 'position is not finite'),
        ([1, 2, 3] * 5, 'v = 3'),
        ([1, 2, float('nan')] * 5, 'v = nan'),
    ],
)
def test_wrong_joints_are_named(tiny, keypoints, message):
    def change(data):
        data['annotations'][1]['keypoints'] = keypoints

    with pytest.raises(UserInputError, match=f"annotation 2 of image '1.png' .*{message}"):
        tiny(change)


def test_joints_that_are_not_there(tiny):
    with pytest.raises(UserInputError, match='annotation 1 .* has no keypoints'):
        tiny(lambda data: data['annotations'][0].pop('keypoints'))


@pytest.mark.parametrize(
    ('metainfo', 'message'),
    [
        (dict(keypoints=('a', 'b')), "not those in '.*keypoints=.'head'"),
        (dict(keypoints=joint_names(5)[::-1]), 'another order'),
        (dict(flip_pairs=[(1, 5)]), 'joints 0 to 4'),
        (dict(flip_pairs=[(1, 2), (2, 3)]), 'twice'),
        (dict(skeleton=[(0, 0)]), 'skeleton of metainfo'),
        (dict(skeleton=[1, 2]), 'no list of pairs'),
        (dict(skeleton=[(float('inf'), 1)]), 'no list of pairs'),
        (dict(sigmas=(0.1,)), 'not 5 positive numbers'),
        (dict(sigmas=(0.1, 0.1, 0.1, 0.1, 0)), 'not 5 positive numbers'),
    ],
)
def test_metainfo_that_does_not_fit(tiny, metainfo, message):
    with pytest.raises(UserInputError, match=message):
        tiny(metainfo=metainfo)


def test_skeleton_of_the_file_counts_from_one(tiny):
    def change(data):
        data['categories'][0]['skeleton'] = [[0, 1]]

    with pytest.raises(UserInputError, match='joints 1 to 5'):
        tiny(change)


def test_classes_with_different_joints(tiny):
    def change(data):
        data['categories'].append(dict(id=2, name='dog', keypoints=['nose', 'tail']))

    tiny(change)
    with pytest.raises(UserInputError, match="'person' and 'dog' .* different joints"):
        tiny(metainfo=dict(classes=('person', 'dog')))


@pytest.mark.parametrize(
    ('names', 'pairs'),
    [
        (('left_eye', 'right_eye', 'nose'), ((0, 1),)),
        (('eye_right', 'nose', 'eye_left'), ((2, 0),)),
        (('RightEye', 'LeftEye'), ((1, 0),)),
        (('L_Eye', 'R_Eye', 'Tail'), ((0, 1),)),
        (('hip-r', 'hip-l', 'roll', 'all'), ((1, 0),)),
        (('lHip', 'rHip', 'LKnee', 'RKnee', 'Rump', 'Lip'), ((0, 1), (2, 3))),
        (('nose', 'tail'), ()),
        (CORNERS, ((1, 4), (2, 3))),
        (('right_of_left_knee', 'left_of_right_knee'), ((1, 0),)),
        (('EyeL', 'EyeR', 'Tail'), ((0, 1),)),
        (('kneeR', 'kneeL'), ((1, 0),)),
        (('Rknee', 'Lknee', 'Root', 'lip'), ((1, 0),)),
        (('lknee', 'rknee', 'rump'), ((0, 1),)),
        (('knee.l.001', 'knee.r.001'), ((0, 1),)),
    ],
)
def test_flip_pairs_from_names(names, pairs):
    assert flip_pairs_of(names) == pairs


@pytest.mark.parametrize('name', ['left_eye', 'eye_right', 'l_eye', 'REye', 'eyeR'])
def test_a_side_without_the_other(name):
    with pytest.raises(UserInputError, match=f"{name}' has no counterpart"):
        flip_pairs_of(('nose', name))


def test_names_that_differ_in_capitals_only():
    with pytest.raises(UserInputError, match='in capitals only'):
        flip_pairs_of(('left_eye', 'Left_Eye', 'right_eye'))


@pytest.mark.parametrize(
    ('names', 'text'),
    [
        (('a', 'b'), 'a mirror exchanges none'),
        (('head', 'fin_l', 'fin_r'), 'told from their names: fin_l / fin_r'),
    ],
)
def test_flip_pairs_from_names_are_logged_once(monkeypatch, names, text):
    logged = []
    monkeypatch.setattr('centernet_plugin.datasets.joints.print_log', lambda *a: logged.append(a))
    _log_pairs.cache_clear()
    for _ in range(2):
        category = [dict(name='fish', keypoints=list(names))]
        joint_metainfo({}, category, ('fish',), 'file.json')
    joint_metainfo(dict(flip_pairs=[(0, 1)]), category, ('fish',), 'file.json')
    assert len(logged) == 1 and text in logged[0][0]


def test_names_of_joints_that_are_no_list(tiny):
    for wrong in (17, 'nose'):
        with pytest.raises(UserInputError, match=f"of the category 'person' .* {wrong!r}"):
            tiny(lambda data, wrong=wrong: data['categories'][0].update(keypoints=wrong))


def test_is_built_by_its_name(tiny):
    args = dict(data_root=tiny().data_root, ann_file=tiny().ann_file)
    config = dict(type='centernet_plugin.CocoPoseDataset', **args, data_prefix=dict(img='images/'))
    assert type(DATASETS.build(config)) is CocoPoseDataset


def _folder(variable: str) -> Path:
    if variable not in os.environ:
        pytest.skip(f'set {variable} to the folder of the real data')
    return Path(os.environ[variable])


@pytest.mark.parametrize(
    ('variable', 'file', 'images', 'people', 'with_joints'),
    [
        ('COCO_PERSON_ROOT', 'person_keypoints_train.json', 220, 220, 201),
        ('COCO_PERSON_ROOT', 'person_keypoints_val.json', 56, 56, 44),
        ('MMPOSE_COCO4', 'test_coco.json', 4, 14, 12),
    ],
)
def test_real_data(variable, file, images, people, with_joints):
    root = _folder(variable)
    prefix = 'images' if (root / 'images').is_dir() else ''
    dataset = CocoPoseDataset(
        data_root=str(root),
        ann_file=file,
        data_prefix=dict(img=prefix),
        filter_cfg=dict(filter_empty_gt=True),
    )
    assert len(dataset) == images
    instances = [instance for info in dataset for instance in info['instances']]
    assert len(instances) == people
    assert sum(np.isfinite(i['keypoints']).any() for i in instances) == with_joints
    assert dataset.metainfo['keypoints'] == tuple(COCO_SIGMAS)
    assert dataset.metainfo['skeleton'] == CocoPoseDataset.METAINFO['skeleton']
    assert dataset.metainfo['flip_pairs'] == CocoPoseDataset.METAINFO['flip_pairs']
