"""Whole inference of every shipped network: image file to detections, in the paper's test modes."""

from functools import partial
from itertools import cycle
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope

from ...checkpoints.configs import config_folder
from ...engine.test_modes import num_views, use_mode
from ...models.detectors.unwrap import unwrap
from ...registry import MODELS
from ..case import OURS, Call, Case, Skip, Work
from ..detectors import settle
from ..settings import Settings

GROUP = 'inference, every network'
MODES = ('plain', 'flip', 'multi-scale')


def cases(settings: Settings) -> list[Case]:
    return [
        Case(group=GROUP, name=f'{network}, {mode}', prepare=partial(prepare, settings, path, mode))
        for network, path in networks().items()
        for mode in MODES
    ]


def networks() -> dict[str, Path]:
    """A COCO config of every shipped network: the part of its name that names the network."""
    found = {}
    for path in sorted((config_folder() / 'centernet').glob('centernet_*_coco.py')):
        found.setdefault(path.stem.split('_')[1], path)
    return found


def prepare(settings: Settings, path: Path, mode: str) -> Work:
    """The network with random weights, settled: nothing has to be downloaded."""
    cfg = Config.fromfile(path)
    if mode == 'multi-scale' and num_views(cfg.get('tta_pipeline')) < 2:
        raise Skip('the config has one scale only')
    use_mode(cfg, mode)
    return Work(sides={OURS: detect(cfg, settings)})


def detect(cfg: Config, settings: Settings) -> Call:
    """Detections of the next image file."""
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = revert_sync_batchnorm(MODELS.build(cfg.model)).to(settings.device)
    settle(unwrap(model))
    model.eval()
    pipeline = Compose(cfg.test_dataloader.dataset.pipeline)
    files = cycle(settings.pictures.files)

    @torch.no_grad()
    def call() -> list:
        data = pipeline(dict(img_path=next(files), img_id=0, instances=[]))
        return model.test_step(pseudo_collate([data]))

    return call
