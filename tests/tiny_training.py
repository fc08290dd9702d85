"""A training of seconds with all that a resumed one has to restore, for tests of endurance."""

import json
import os
import signal
from pathlib import Path

import torch
from mmengine.hooks import Hook
from mmengine.registry import MODELS
from mmengine.runner import Runner
from torch import nn

from centernet_plugin.datasets.synthetic import generate
from centernet_plugin.models.necks import CenterNetDeconvNeck

IMAGES, BATCH = 10, 2
CLASSES = ('disc', 'box', 'star')


@MODELS.register_module(force=True)
class DroppingNeck(CenterNetDeconvNeck):
    """Takes random numbers of torch in every forward pass of a training."""

    def forward(self, maps):
        return tuple(nn.functional.dropout(x, 0.2, self.training) for x in super().forward(maps))


class StopError(Exception):
    """The training was interrupted."""


class Stop(Hook):
    """Interrupts a training after so many iterations, by an error or by ``kill -9``."""

    priority = 'LOWEST'

    def __init__(self, iterations: int, kill: bool = False) -> None:
        self.iterations, self.kill = iterations, kill

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.iterations:
            if self.kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise StopError


class Record(Hook):
    """Keeps the loss of every iteration, by its number, and the images of every batch."""

    def __init__(self) -> None:
        self.losses, self.images = {}, {}

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses[runner.iter] = {name: float(value.detach()) for name, value in outputs.items()}
        names = [Path(sample.img_path).stem for sample in data_batch['data_samples']]
        self.images[runner.iter] = names


def make_set(folder: Path, images: int = IMAGES) -> Path:
    """A generated set of images of 64 x 64."""
    return generate(folder, num_train=images, num_val=2, image_size=(64, 64), progress=False)


def pipeline() -> list[dict]:
    """Crop and colours at random."""
    return [
        dict(type='LoadImageFromFile'),
        dict(type='centernet_plugin.LoadAnnotations', with_bbox=True),
        dict(type='centernet_plugin.RandomCropAffine', size=(64, 64)),
        dict(type='centernet_plugin.PaperColorJitter', on_device=True),
        dict(
            type='centernet_plugin.PackDetInputs',
            meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'flip'),
        ),
    ]


def model() -> dict:
    return dict(
        type='centernet_plugin.CenterNet',
        data_preprocessor=dict(
            type='centernet_plugin.DataPreprocessor', mean=[100.0] * 3, std=[70.0] * 3
        ),
        backbone=dict(
            type='mmdet.ResNet', depth=18, base_channels=4, stem_channels=4, norm_eval=False
        ),
        neck=dict(type='DroppingNeck', in_channels=32, deconv_channels=(8, 8, 8)),
        bbox_head=dict(
            type='centernet_plugin.CenterNetHead', num_classes=3, in_channels=8, feat_channels=8
        ),
    )


def make_runner(
    data: Path,
    work_dir: Path,
    *hooks: Hook | dict,
    epochs: int = 3,
    workers: int = 0,
    dataset: dict | None = None,
    loader: dict | None = None,
    **settings,
) -> Runner:
    """A runner of ``epochs`` epochs with averaged weights and a schedule by iterations.

    Args:
        data: folder of :func:`make_set`.
        work_dir: its name must differ from those of other runners of the process.
        *hooks: beside the defaults.
        epochs: of the training.
        workers: processes that load, and stay.
        dataset, loader: settings of the dataset and of its loader.
        **settings: of the Runner, in the place of these; ``default_hooks`` beside these.
    """
    default_hooks = dict(
        logger=dict(type='LoggerHook', interval=1),
        checkpoint=dict(type='CheckpointHook', interval=1),
        sampler_seed=dict(type='centernet_plugin.SeedHook'),
    )
    default_hooks |= settings.pop('default_hooks', {})
    arguments = dict(
        model=model(),
        work_dir=str(work_dir),
        train_dataloader=dict(
            batch_size=BATCH,
            num_workers=workers,
            persistent_workers=workers > 0,
            dataset=dict(
                type='centernet_plugin.CocoDataset',
                data_root=str(data),
                ann_file='annotations/instances_train.json',
                data_prefix=dict(img='train/'),
                metainfo=dict(classes=CLASSES),
                pipeline=pipeline(),
                **(dataset or {}),
            ),
            **dict(sampler=dict(type='DefaultSampler', shuffle=True)) | (loader or {}),
        ),
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=epochs),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3)),
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=4),
            dict(
                type='CosineAnnealingLR', by_epoch=True, T_max=3, end=3, convert_to_iter_based=True
            ),
        ],
        custom_hooks=[dict(type='EMAHook', momentum=0.1, update_buffers=True), *hooks],
        default_hooks=default_hooks,
        default_scope='mmdet',
        log_level='ERROR',
        randomness=dict(seed=3),
        experiment_name=f'{work_dir.parent.name}-{work_dir.name}',
    )
    return Runner(**arguments | settings)


def weights(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint: the model's, the averaged ones and the optimizer's."""
    content = torch.load(path, weights_only=False)
    found = {f'model.{name}': value for name, value in content['state_dict'].items()}
    found |= {f'ema.{name}': value for name, value in content['ema_state_dict'].items()}
    for index, state in content['optimizer']['state'].items():
        found |= {f'optimizer.{index}.{name}': torch.as_tensor(v) for name, v in state.items()}
    return found


def differing(first: dict, second: dict) -> list[str]:
    """Names whose tensors are not bitwise equal."""
    assert first.keys() == second.keys()
    return [name for name, value in first.items() if not torch.equal(value, second[name])]


def logged(work_dir: Path) -> dict[int, dict[str, float]]:
    """What the log files of a work dir say of every step; of the same step the latest."""
    steps = {}
    for path in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            steps[entry['step']] = {
                name: value
                for name, value in entry.items()
                if name.startswith(('loss', 'lr', 'base_lr', 'epoch', 'iter'))
            }
    return steps
