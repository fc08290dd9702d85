"""ResNet-18 from image file to detections: the same network on both sides."""

import warnings
from functools import partial
from itertools import cycle
from typing import Any

import torch
from mmdet.apis import inference_detector
from mmengine.structures import InstanceData
from torch import nn

from ...errors import UserInputError
from .. import compiling
from ..case import BASE, FASTEST, OURS, Call, Case, Skip, Work
from ..checks import differ_in_detections
from ..settings import Settings

GROUP = 'inference, image file to detections'
NETWORKS = {'r18': ('ResNet-18', 1.3), 'r18-dcnv2': ('ResNet-18, deformable', 1.5)}
FOLDED, LAST, COMPILED, BF16 = (
    f'ours, {form}' for form in ('folded', 'channels last', 'compiled', 'bf16')
)
VARIANTS = {  # options of deploy.accelerate
    FOLDED: dict(channels_last=False),
    LAST: dict(),
    COMPILED: dict(compile=True),
    BF16: dict(dtype=torch.bfloat16),
}
# Random deformable layers enlarge rounding: scores differ by 2e-5 after folding.
TOLERANCE = dict(score=1e-4, pixels=0.1)
ROUNDED = 0.02  # of the scores, with eight bits; which of the weak peaks are kept may differ


def cases(settings: Settings) -> list[Case]:
    return [
        Case(
            group=GROUP,
            name=title,
            prepare=partial(prepare, settings, network),
            goals={FASTEST: goal},
            inexact=(BF16,),
        )
        for network, (title, goal) in NETWORKS.items()
    ]


def prepare(settings: Settings, network: str) -> Work:
    try:
        from ...deploy import accelerate
        from ..detectors import build_pair
    except ImportError as error:
        raise Skip('a pair of detectors of equal weights is not there') from error

    def build() -> tuple[nn.Module, nn.Module]:
        with warnings.catch_warnings(record=True):  # that there is no checkpoint
            return build_pair(network, str(settings.device))

    try:
        ours, theirs = build()
    except UserInputError as error:  # mmdet's network cannot be built here
        raise Skip(str(error)) from error
    models: dict[str, nn.Module] = {OURS: ours}
    absent = {}
    for name, options in VARIANTS.items():
        if name == COMPILED and not compiling.can_compile(settings.device.type):
            absent[name] = 'torch.compile does not work here'
            continue
        models[name] = accelerate(build()[0], **options)  # changes its own copy
    models[BASE] = theirs
    sides = {name: detect(model, settings) for name, model in models.items()}
    return Work(sides=sides, check=check, absent=absent)


def detect(model: nn.Module, settings: Settings) -> Call:
    """Detections of the next image file, the same one for every side in every round."""
    files = cycle(settings.pictures.files)
    return lambda: inference_detector(model, next(files)).pred_instances


def check(side: str, output: InstanceData, reference: InstanceData) -> str:
    """The detections of one image."""
    if side == BF16:
        return scores_differ(output, reference)
    return differ_in_detections([output], [reference], **TOLERANCE)


def scores_differ(output: Any, reference: Any) -> str:
    """Compares the scores in falling order."""
    ours, theirs = (x.scores.float().sort(descending=True).values for x in (output, reference))
    if ours.shape != theirs.shape:
        return f'{len(ours)} detections against {len(theirs)}'
    difference = float((ours - theirs).abs().max())
    return '' if difference <= ROUNDED else f'scores differ by {difference:.2g}'
