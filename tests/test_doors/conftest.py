"""Everything that a door needs: a tiny detection set, a tiny config, a checkpoint, a process."""

import json
import os
import re
import runpy
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import mmcv
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
CLASSES = ('RBC', 'WBC', 'Platelets')  # those of a shipped config, which mim is given by name
Run = Callable[..., subprocess.CompletedProcess]

CONFIG = """
default_scope = 'mmdet'
custom_imports = dict(imports=['centernet_plugin'], allow_failed_imports=False)
data_root = {data_root!r}
metainfo = dict(classes={classes!r})
model = dict(
    type='centernet_plugin.CenterNet',
    data_preprocessor=dict(
        type='mmdet.DetDataPreprocessor',
        mean=[104.0, 114.0, 120.0],
        std=[73.6, 69.9, 70.9],
        pad_size_divisor=32,
    ),
    backbone=dict(
        type='mmdet.ResNet', depth=18, base_channels=8, stem_channels=8, norm_eval=False
    ),
    neck=dict(
        type='centernet_plugin.CenterNetDeconvNeck', in_channels=64, deconv_channels=(16, 16, 16)
    ),
    bbox_head=dict(
        type='centernet_plugin.CenterNetHead', num_classes=3, in_channels=16, feat_channels=16
    ),
    test_cfg=dict(max_per_img=10),
)
meta_keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'border')
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='mmdet.LoadAnnotations', with_bbox=True),
    dict(type='centernet_plugin.RandomCropAffine', size=(64, 64)),
    dict(type='mmdet.PackDetInputs', meta_keys=meta_keys[:-1]),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='centernet_plugin.KeepResPad', pad=31),
    dict(type='mmdet.LoadAnnotations', with_bbox=True),
    dict(type='mmdet.PackDetInputs', meta_keys=meta_keys),
]
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='centernet_plugin.CocoDataset',
        data_root=data_root,
        metainfo=metainfo,
        ann_file='annotations.json',
        data_prefix=dict(img='images/'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='centernet_plugin.CocoDataset',
        data_root=data_root,
        metainfo=metainfo,
        ann_file='annotations.json',
        data_prefix=dict(img='images/'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='mmdet.CocoMetric', ann_file=data_root + 'annotations.json')
test_evaluator = val_evaluator
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3))
auto_scale_lr = dict(enable=False, base_batch_size=2)
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    checkpoint=dict(type='CheckpointHook', interval=1),
    visualization=dict(type='mmdet.DetVisualizationHook'),
)
visualizer = dict(
    type='mmdet.DetLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer'
)
"""


@pytest.fixture(scope='session')
def data_root(tmp_path_factory) -> str:
    """Four 64 x 64 images of coloured rectangles with their annotations; ends with a slash."""
    root = tmp_path_factory.mktemp('tiny set')
    rng = np.random.default_rng(0)
    (root / 'images').mkdir()
    images, annotations = [], []
    for image_id in range(4):
        image = rng.integers(0, 60, (64, 64, 3), dtype=np.uint8)
        for label in range(3):
            x, y = (int(v) for v in rng.integers(0, 40, 2))
            w, h = (int(v) for v in rng.integers(10, 24, 2))
            colour = [0, 0, 0]
            colour[label] = 255
            cv2.rectangle(image, (x, y), (x + w, y + h), colour, -1)
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=image_id,
                    category_id=label + 1,
                    bbox=[x, y, w, h],
                    area=w * h,
                    iscrowd=0,
                )
            )
        cv2.imwrite(str(root / 'images' / f'{image_id}.png'), image)
        images.append(dict(id=image_id, file_name=f'{image_id}.png', width=64, height=64))
    categories = [dict(id=i + 1, name=name) for i, name in enumerate(CLASSES)]
    coco = dict(images=images, annotations=annotations, categories=categories)
    (root / 'annotations.json').write_text(json.dumps(coco))
    return f'{root}/'


@pytest.fixture(scope='session')
def write_config(data_root, tmp_path_factory) -> Callable[..., Path]:
    """Writes the tiny config, with changes behind it, and gives its path."""

    def write(name: str = 'tiny', changes: str = '') -> Path:
        path = tmp_path_factory.mktemp('config') / f'{name}.py'
        path.write_text(CONFIG.format(data_root=data_root, classes=CLASSES) + changes)
        return path

    return write


@pytest.fixture(scope='session')
def config(write_config) -> Path:
    return write_config()


@pytest.fixture
def run(tmp_path) -> Run:
    """Runs a command as a user would, away from the checkout."""
    return lambda *command, **keywords: run_process(*command, cwd=tmp_path, **keywords)


@pytest.fixture
def call(tmp_path, monkeypatch, capfd) -> Callable[..., tuple[int, str]]:
    """Runs a script of ``tools/`` in this process, a tenth of the time of one of its own.

    Gives its exit code and what it says on stderr.
    """

    def run_script(script: str, *arguments: object) -> tuple[int, str]:
        path = str(ROOT / 'tools' / script)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, 'argv', [path, *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(path, run_name='__main__')
        return end.value.code, capfd.readouterr().err

    return run_script


@pytest.fixture(scope='session')
def trained(config, tmp_path_factory) -> Path:
    """The work dir after ``python tools/train.py CONFIG``."""
    folder = tmp_path_factory.mktemp('trained')
    result = run_process(sys.executable, ROOT / 'tools' / 'train.py', config, cwd=folder)
    (folder / 'output.txt').write_text(output(result))
    return folder / 'work_dirs' / 'tiny'


@pytest.fixture(scope='session')
def checkpoint(trained) -> Path:
    return trained / 'epoch_1.pth'


@pytest.fixture(scope='session')
def written_placeholder() -> None:
    """For doors that import mmdet before they read a config."""
    if not list(Path(mmcv.__file__).parent.glob('_ext*')):
        pytest.skip('needs `python -m centernet_plugin.compat --write`, or compiled operators')


def run_process(
    *command: object, cwd: Path, code: int | None = 0, timeout: float = 240, **variables: str
) -> subprocess.CompletedProcess:
    """Runs ``command`` in ``cwd``; fails with its output unless it ends with ``code``.

    ``variables`` are put into its environment.
    """
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment() | variables,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    if code is not None and result.returncode != code:
        output = (result.stdout + result.stderr)[-6000:]
        pytest.fail(f'{command} ended with {result.returncode}, not {code}:\n{output}')
    return result


def output(result: subprocess.CompletedProcess) -> str:
    """Both streams, with single blanks: the loggers align their columns."""
    return re.sub(' +', ' ', result.stdout + result.stderr)


def environment() -> dict[str, str]:
    """This process's environment, less what would hide that the package is not importable."""
    env = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    threads = dict(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')
    return {**env, **threads, 'CUDA_VISIBLE_DEVICES': '-1', 'MPLBACKEND': 'Agg'}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]
