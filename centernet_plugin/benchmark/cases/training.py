"""A training step of ResNet-18, the same network and weights on both sides, step by step."""

from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from torch import nn

from ...checkpoints.configs import CONFIGS, config_folder
from ...checkpoints.recognise import recognise
from ...checkpoints.weights import rename_all
from ...deploy import compile_parts, use_channels_last
from ...registry import MODELS
from .. import compiling
from ..case import BASE, FASTEST, OURS, Case, Skip, Steps, Work
from ..checks import differ
from ..heads import NAMES
from ..inputs import draw_objects
from ..settings import Settings
from . import data

GROUP = 'training step'
LAST, BF16, COMPILED = 'ours, channels last', 'ours, bf16', 'ours, compiled'
THEIRS_LAST = 'mmdet, channels last'  # what the memory format alone gives
LOOSE = {BF16: 0.05}  # relative difference of the losses: of the network's rounding


def cases(settings: Settings) -> list[Case]:
    return [
        Case(
            group=GROUP,
            name=f'ResNet-18, batch of {settings.train_images}',
            prepare=partial(prepare, settings),
            goals={FASTEST: 2 if settings.cuda else 1.25},
            # On GPUs mixed precision is how networks are trained.
            inexact=() if settings.cuda else (BF16,),
        )
    ]


def prepare(settings: Settings) -> Work:
    ours, theirs = build_pair(settings)
    batch = make_batch(settings)
    try:
        datasets = data.build(settings)
    except Skip:
        datasets = {}

    def step(model: nn.Module, name: str, **options) -> Steps:
        return make_step(deepcopy(model), batch, datasets.get(name), settings, **options)

    sides = {
        OURS: step(ours, OURS),
        LAST: step(ours, OURS, prepare=channels_last),
        BF16: step(ours, OURS, prepare=channels_last, bf16=True),
        COMPILED: None,
        BASE: step(theirs, BASE),
        THEIRS_LAST: step(theirs, BASE, prepare=channels_last),
    }
    absent = {}
    if compiling.can_compile(settings.device.type):
        sides[COMPILED] = step(ours, OURS, prepare=compiled)
    else:
        absent[COMPILED] = 'torch.compile does not work here'
    return Work(sides=sides, check=check, absent=absent)


def build_pair(settings: Settings) -> tuple[nn.Module, nn.Module]:
    """Our and mmdet's CenterNet-ResNet-18 with the same random weights, in training mode."""
    init_default_scope('mmdet')
    torch.manual_seed(0)
    path = config_folder() / 'centernet' / f'{CONFIGS["mmdet_res"][18]}.py'
    cfg = Config.fromfile(path).model
    cfg.backbone.init_cfg = None
    old = cfg.data_preprocessor  # may augment at random; both sides see the same images here
    cfg.data_preprocessor = dict(
        type='mmdet.DetDataPreprocessor', mean=old.mean, std=old.std, bgr_to_rgb=old.bgr_to_rgb
    )
    cfg.bbox_head.num_classes = settings.classes
    cfg.bbox_head.loss_heatmap = dict(type='centernet_plugin.HeatmapFocalLoss', clamp=None)
    theirs = dict(
        type='mmdet.CenterNet',
        data_preprocessor=cfg.data_preprocessor,
        backbone=cfg.backbone,
        neck=dict(
            type='mmdet.CTResNetNeck',
            in_channels=512,
            num_deconv_filters=(256, 128, 64),
            num_deconv_kernels=(4, 4, 4),
            use_dcn=False,
        ),
        bbox_head=dict(
            type='mmdet.CenterNetHead',
            num_classes=settings.classes,
            in_channels=64,
            feat_channels=64,
        ),
        test_cfg=dict(topk=100, local_maximum_kernel=3, max_per_img=100),
    )
    ours, theirs = MODELS.build(cfg), MODELS.build(theirs)
    for part in (theirs.neck, theirs.bbox_head):  # the backbone's would fill the screen
        part.init_weights()
    state = theirs.state_dict()
    ours.load_state_dict(rename_all(state, recognise(state)).state)
    return tuple(model.train().to(settings.device) for model in (ours, theirs))


def make_batch(settings: Settings) -> dict[str, list]:
    """Random images and objects as the pipelines pack them."""
    images, size = settings.train_images, settings.size
    objects = draw_objects(
        images, settings.objects_in(images), cells=settings.cells, classes=settings.classes
    )
    generator = torch.Generator().manual_seed(0)
    samples = []
    for instances in objects:
        image = torch.randint(256, (3, size, size), dtype=torch.uint8, generator=generator)
        meta = dict(img_shape=(size, size), ori_shape=(size, size), scale_factor=(1.0, 1.0))
        sample = DetDataSample(metainfo=meta, gt_instances=instances)
        samples.append(dict(inputs=image, data_samples=sample))
    return pseudo_collate(samples)


def make_step(
    model: nn.Module,
    batch: dict[str, list],
    dataset: Any,
    settings: Settings,
    *,
    prepare: Callable[[nn.Module], nn.Module] = lambda model: model,
    bf16: bool = False,
) -> Steps:
    """One training step; its result are the losses by our maps' names.

    Args:
        model: changed by the steps.
        batch: uint8 images and their samples; the same in every step, so that both sides compute
            the same.
        dataset: whose samples the step ``data`` loads and throws away, as many as the batch has;
            that step is not part of the total, because other processes do it meanwhile.
        settings: the device.
        prepare: makes the model faster.
        bf16: whether the network runs under autocast; the losses never do.
    """
    model = prepare(model)
    head, ours = model.bbox_head, not model.bbox_head.__module__.startswith('mmdet')
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)
    state = dict(index=0)

    def load() -> None:
        count, first = len(batch['inputs']), state['index']
        data.single_threaded(lambda: [dataset[(first + i) % len(dataset)] for i in range(count)])
        state['index'] = first + count

    def network() -> None:
        ready = model.data_preprocessor(dict(batch), True)
        cast = torch.autocast(settings.device.type, torch.bfloat16) if bf16 else nullcontext()
        with cast:
            state['maps'] = head(model.extract_feat(ready['inputs']))
        state['samples'] = ready['data_samples']

    def loss() -> None:
        objects = [sample.gt_instances for sample in state['samples']]
        infos = [sample.metainfo for sample in state['samples']]
        maps = (state['maps'],) if ours else state['maps']
        losses = head.loss_by_feat(*maps, objects, infos)
        state['losses'] = {n: losses[f'loss_{n if ours else NAMES[n]}'] for n in NAMES}

    def backward() -> None:
        sum(state['losses'].values()).backward()
        del state['maps']

    def optimise() -> None:
        optimizer.step()
        optimizer.zero_grad()

    steps = dict(network=network, loss=loss, backward=backward, optimiser=optimise)
    if dataset is not None:
        steps = dict(data=load) | steps
    return Steps(steps, lambda: {k: v.detach() for k, v in state['losses'].items()}, ('data',))


def channels_last(model: nn.Module) -> nn.Module:
    """The model with the channels of a cell side by side in memory."""
    use_channels_last(model)
    return model


def compiled(model: nn.Module) -> nn.Module:
    """The network compiled, in the memory format that is faster."""
    compile_parts(channels_last(model))
    return model


def check(side: str, output: dict, reference: dict) -> str:
    """The losses of the first step."""
    total, expected = (sum(losses.values()) for losses in (output, reference))
    return differ('loss', total, expected, tolerance=LOOSE.get(side, 1e-4))
