"""A set with joints is inspected as one of boxes."""

import json

import pytest
from tiny_pose import write_tiny_pose
from tiny_set import LOAD, PACK, resize

from centernet_plugin.datasets.inspection.check import Options, check_split


@pytest.fixture
def pose(tiny, tmp_path):
    """The tiny set's config with stick figures in place of its images."""
    args = write_tiny_pose(tmp_path / 'pose', images=12, size=96)
    for split in ('train', 'val', 'test'):
        loader = tiny.config[f'{split}_dataloader']
        loader.dataset = dict(
            type='centernet_plugin.CocoPoseDataset',
            pipeline=[*LOAD, resize(96), PACK],
            test_mode=split != 'train',
            **args,
        )
    for split in ('val', 'test'):
        if f'{split}_evaluator' in tiny.config:
            file = str(tmp_path / 'pose/person_keypoints.json')
            tiny.config[f'{split}_evaluator'].ann_file = file
    return tiny.config


def check(config, split):
    options = Options(stride=4, divisor=32, num_classes=1, max_per_img=100)
    return check_split(config, split, options, num_samples=4, num_pictures=2)


@pytest.mark.parametrize('split', ['train', 'val'])
def test_boxes_are_inspected(pose, split):
    result = check(pose, split)
    assert [f.key for f in result.findings if f.severity == 'error'] == []
    assert result.grids['at test'].objects == 18
    assert result.split.classes == ('person',)


def test_a_wrong_joint_is_an_error(pose):
    path = f'{pose.train_dataloader.dataset.data_root}/person_keypoints.json'
    with open(path) as file:
        data = json.load(file)
    data['annotations'][0]['keypoints'].pop()
    with open(path, 'w') as file:
        json.dump(data, file)
    errors = [f for f in check(pose, 'train').findings if f.severity == 'error']
    assert any('14 numbers for its keypoints' in error.message for error in errors)
