"""The inferencer: what it refuses, and where its results go."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from small_networks import model_config

from centernet_plugin.apis import CenterNetInferencer
from centernet_plugin.errors import UserInputError


def config(name: str = 'mobilenetv2') -> Config:
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='mmdet.Resize', scale=(96, 64)),
        dict(type='mmdet.PackDetInputs', meta_keys=('img_path', 'img_shape', 'ori_shape')),
    ]
    return Config(
        dict(
            model=model_config(name),
            test_dataloader=dict(dataset=dict(type='mmdet.CocoDataset', pipeline=pipeline)),
            visualizer=dict(type='centernet_plugin.CenterNetVisualizer'),
        )
    )


def save(path: Path, state: dict) -> str:
    torch.save(dict(state_dict=state, meta=dict(dataset_meta=dict(classes=('a', 'b', 'c')))), path)
    return str(path)


@pytest.fixture
def checkpoint(tmp_path):
    return save(tmp_path / 'network.pth', MODELS.build(model_config('mobilenetv2')).state_dict())


@pytest.fixture
def images(tmp_path) -> Path:
    folder = tmp_path / 'images'
    folder.mkdir()
    for name in ('a.png', 'a.jpg', 'b.png'):
        cv2.imwrite(str(folder / name), np.full((64, 96, 3), 90, np.uint8))
    return folder


def test_a_checkpoint_of_another_network_is_refused(tmp_path, checkpoint):
    other = save(tmp_path / 'other.pth', MODELS.build(model_config('resnet')).state_dict())
    state = torch.load(checkpoint)['state_dict']
    last = list(state)[-1]
    part = save(tmp_path / 'part.pth', {k: v for k, v in state.items() if k != last})
    foreign = save(tmp_path / 'foreign.pth', dict(x=torch.zeros(1)))
    for path in (other, part, foreign):
        with pytest.raises(UserInputError, match='of another architecture.* first that does not'):
            CenterNetInferencer(config(), path, device='cpu')
    CenterNetInferencer(config(), checkpoint, device='cpu')


@pytest.mark.parametrize('place', ['meta', 'message_hub'])
def test_a_config_in_a_checkpoint_is_not_run(tmp_path, checkpoint, place):
    text = config().pretty_text + f'\nopen({str(tmp_path / "ran")!r}, "w").close()\n'
    content = torch.load(checkpoint)
    if place == 'meta':
        content['meta']['cfg'] = text
    else:
        content['message_hub'] = dict(runtime_info=dict(cfg=text))
    torch.save(content, checkpoint)
    for empty in (None, {}, Config()):
        with pytest.raises(UserInputError, match="the one in '.*network.pth' is a program"):
            CenterNetInferencer(empty, weights=checkpoint, device='cpu')
    assert not (tmp_path / 'ran').exists()
    infer = CenterNetInferencer(weights=checkpoint, device='cpu', trust_config=True)
    assert (tmp_path / 'ran').exists() and infer.model.dataset_meta['classes'] == ('a', 'b', 'c')


def test_every_image_has_its_json(tmp_path, checkpoint, images):
    infer = CenterNetInferencer(config(), checkpoint, device='cpu', show_progress=False)
    infer(str(images), out_dir=str(tmp_path / 'out'), no_save_pred=False, batch_size=2)
    files = {path.name: path for path in (tmp_path / 'out/preds').iterdir()}
    assert set(files) == {'a.png.json', 'a.jpg.json', 'b.json'}
    assert set(json.loads(files['b.json'].read_text())) >= {'bboxes', 'labels', 'scores'}
    infer([dict(img_path=str(images / 'a.png'))], out_dir=str(tmp_path / 'o'), no_save_pred=False)
    infer(cv2.imread(str(images / 'a.png')), out_dir=str(tmp_path / 'o'), no_save_pred=False)
    assert {path.name for path in (tmp_path / 'o/preds').iterdir()} == {'a.json', '0.json'}


def test_paths_are_as_good_as_texts(tmp_path, checkpoint, images):
    infer = CenterNetInferencer(config(), checkpoint, device='cpu', show_progress=False)
    for i, inputs in enumerate(
        (images / 'b.png', [images / 'b.png'], dict(img_path=images / 'b.png'))
    ):
        infer(inputs, out_dir=str(tmp_path / str(i)), no_save_pred=False)
        written = sorted(p.name for p in (tmp_path / str(i)).rglob('*.*'))
        assert written == ['b.json', 'b.png']
    assert len(infer(images)['predictions']) == 3


def test_an_empty_image_is_named(checkpoint, images):
    (images / 'empty.jpg').touch()
    infer = CenterNetInferencer(config(), checkpoint, device='cpu', show_progress=False)
    with pytest.raises(UserInputError, match=r"image '.*empty.jpg' is empty"):
        infer(str(images))


def test_images_of_the_same_name_have_results_each(checkpoint, images, tmp_path):
    (images / 'more').mkdir()
    shutil.copy(images / 'a.png', images / 'more/a.png')
    infer = CenterNetInferencer(config(), checkpoint, device='cpu', show_progress=False)
    paths = [str(images / 'a.png'), str(images / 'more/a.png')]
    infer(paths, out_dir=str(tmp_path / 'o'), no_save_pred=False)
    assert {path.name for path in (tmp_path / 'o/preds').iterdir()} == {'a.json', 'a_2.json'}
