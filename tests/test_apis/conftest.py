"""A small detector in files, and a folder of generated images with a video."""

import functools
import io
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
import torch
from mmengine.config import Config
from rich.console import Console

from centernet_plugin.apis import CenterNetInferencer, InferenceRunner

sys.path.insert(0, str(Path(__file__).parents[1]))
from moving_square import CLASSES, picture, write_video  # noqa: E402
from small_networks import build, model_config  # noqa: E402

COLOURS = dict(mean=[60.0] * 3, std=[50.0] * 3)


@pytest.fixture(scope='session')
def config() -> Config:
    steps = [
        dict(type='LoadImageFromFile'),
        dict(type='mmdet.Resize', scale=(96, 64), keep_ratio=True),
        dict(
            type='centernet_plugin.PackDetInputs',
            meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
        ),
    ]
    views = dict(type='TestTimeAug', transforms=[[steps[-1]]])
    return Config(
        dict(
            default_scope='mmdet',
            model=dict(model_config('resnet', **COLOURS), test_cfg=dict(max_per_img=5)),
            test_dataloader=dict(
                dataset=dict(
                    type='centernet_plugin.CocoDataset',
                    ann_file='nowhere.json',
                    metainfo=dict(classes=CLASSES, palette=[(255, 0, 0)] * 3),
                    pipeline=steps,
                )
            ),
            tta_model=dict(type='centernet_plugin.CenterNetTTA'),
            tta_pipeline=[*steps[:-1], views],
            visualizer=dict(
                type='centernet_plugin.CenterNetVisualizer',
                vis_backends=[dict(type='LocalVisBackend')],
            ),
        )
    )


@pytest.fixture(scope='session')
def checkpoint(tmp_path_factory) -> str:
    path = str(tmp_path_factory.mktemp('checkpoint') / 'small.pth')
    meta = dict(dataset_meta=dict(classes=CLASSES))
    state = build('resnet').state_dict()
    state['bbox_head.heads.0.heatmap.2.weight'] *= 0.1  # else many scores are 1
    state['bbox_head.heads.0.size.2.bias'] += 4.0  # cells: boxes that can be seen
    torch.save(dict(state_dict=state, meta=meta), path)
    return path


@pytest.fixture(scope='session')
def infer(config, checkpoint) -> CenterNetInferencer:
    return CenterNetInferencer(config, checkpoint, device='cpu', show_progress=False)


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


@pytest.fixture
def make(infer, console) -> Callable[..., InferenceRunner]:
    """A runner that draws all."""
    return functools.partial(InferenceRunner, infer, 'out', console=console, score_thr=0.0)


@pytest.fixture
def files(tmp_path, monkeypatch) -> Path:
    """A folder to work in: ``photos`` with two images and one in a folder, ``clip.avi``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'photos/deep').mkdir(parents=True)
    for i, name in enumerate(('photos/a.png', 'photos/b.png', 'photos/deep/c.png')):
        cv2.imwrite(name, picture(i))
    (tmp_path / 'photos/notes.md').write_text('no image')
    write_video('clip.avi', 7)
    return tmp_path
