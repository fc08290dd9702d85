"""COCO's files and checkpoints, scrambled: a result, or one sentence; nothing else, and no hang."""

import json
import random

import pytest
import torch
from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope
from mmengine.runner import CheckpointLoader
from official_weights import draw
from scramble import scramble, scramble_json
from tiny_pose import write_tiny_pose

from centernet_plugin.checkpoints import convert_file, read_checkpoint
from centernet_plugin.engine.checkpoint_fit import misfit
from centernet_plugin.errors import UserInputError

MANY = [pytest.param(150, id='quick'), pytest.param(3000, marks=pytest.mark.slow, id='many')]


def load_as_mmengine(path):
    """As a training, a test and the inferencer load a checkpoint."""
    content = CheckpointLoader.load_checkpoint(str(path), map_location='cpu', logger='silent')
    misfit(torch.nn.Linear(3, 4), content)
    return content


def is_sentence(error):
    assert '\n' not in str(error) and 15 < len(str(error)) < 2000, str(error)


@pytest.mark.parametrize('count', MANY)
@pytest.mark.parametrize('how', [scramble, scramble_json])
@pytest.mark.parametrize('kind', ['CocoDataset', 'CocoPoseDataset'])
def test_annotations(tmp_path, tried, kind, how, count):
    init_default_scope('mmdet')
    where = write_tiny_pose(tmp_path, images=3, joints=4)
    path, rng, loaded = tmp_path / where['ann_file'], random.Random(0), 0
    data = json.loads(path.read_text())
    data['annotations'][0] |= dict(segmentation=[[1, 2, 3, 4, 5, 6]], velocity=[1, 2])
    # Whoever serialises collects all garbage of the process as well, which takes longer than the
    # rest of a file.
    config = dict(where, type=f'centernet_plugin.{kind}', pipeline=[], serialize_data=False)
    config['metainfo'] = dict(classes=('person',))
    for _ in range(count):
        changed = scramble_json(data, rng) if how is scramble_json else None
        content = scramble(json.dumps(data).encode(), rng)
        path.write_bytes(content if changed is None else json.dumps(changed).encode())
        tried()
        try:
            dataset = DATASETS.build(config)
        except UserInputError as error:
            is_sentence(error)
            continue
        loaded += 1
        for i in range(len(dataset)):
            assert dataset.get_data_info(i)['img_path']
    assert count // 50 < loaded < count


@pytest.mark.parametrize('count', MANY)
@pytest.mark.parametrize('legacy', [False, True])
@pytest.mark.parametrize('read', [read_checkpoint, load_as_mmengine], ids=['convert', 'load'])
def test_checkpoints_as_bytes(tmp_path, tried, read, count, legacy):
    path, rng = tmp_path / 'a.pth', random.Random(0)
    state = dict(state_dict={'a.weight': torch.rand(4, 3), 'b': torch.arange(3)}, epoch=3)
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    content = path.read_bytes()
    for _ in range(count):
        path.write_bytes(scramble(content, rng))
        tried()
        try:
            assert read(path) is not None
        except UserInputError as error:
            is_sentence(error)


@pytest.mark.parametrize('count', [pytest.param(25, id='quick'), MANY[1]])
def test_checkpoints_of_other_tensors(tmp_path, tried, count):
    """Tensors missing, renamed, of other shapes: converted, or said what it is not."""
    whole, rng, path = draw('res_18_ctdet_coco'), random.Random(0), tmp_path / 'a.pth'
    for _ in range(min(count, 300)):
        state = dict(whole)
        for name in rng.sample(list(state), rng.choice((1, 3, 40))):
            tensor = state.pop(name)
            how = rng.randrange(4)
            if how == 1:
                state[name + rng.choice(('.x', '2', ''))] = tensor.flatten()
            elif how == 2:
                state[name] = tensor[..., :1] if tensor.dim() else tensor.reshape(1)
            elif how == 3:
                state[rng.choice(('hm.', 'module.', 'x.')) + name] = tensor.half()
        torch.save(state, path)
        tried()
        try:
            convert_file(path, tmp_path / 'b.pth')
        except UserInputError as error:
            is_sentence(error)
