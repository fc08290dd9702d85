"""Targets and all losses, forward and backward to the head's raw maps."""

from functools import partial

import torch
from torch import Tensor

from .. import compiling
from ..case import BASE, OURS, Call, Case, Work
from ..checks import differ, differ_by_name
from ..heads import draw_batch, mmdet_head, mmdet_losses, our_head, our_losses
from ..settings import Settings

GROUP = 'targets and losses'  # forward and backward
COMPILED = 'ours, compiled'
# Relative differences that count as equal: ours divides by the objects and another 1e-4.
LOSS, GRADIENT = 1e-4, 1e-4


def cases(settings: Settings) -> list[Case]:
    images, objects = settings.images, settings.objects_in(settings.images)
    name = f'{images} images, {objects} objects'
    work = partial(prepare, settings, images=images, objects=objects, variants=True)
    goals = {} if settings.cuda else {OURS: 8, COMPILED: 14}
    heatmap = 4 * images * settings.classes * settings.cells**2  # bytes
    memory = dict(measure='memory', unit='heat-maps', convert=lambda v: 1 + v / heatmap, limit=3)
    found = [
        Case(group=GROUP, name=name, prepare=work, goals=goals),
        Case(group=GROUP, name=f'{name}, memory with the logits', prepare=work, **memory),
    ]
    if settings.cuda:
        syncs = dict(measure='syncs', unit='waits', limit=0)
        found += [Case(group=GROUP, name=f'{name}, waits for the device', prepare=work, **syncs)]
    return found


def prepare(
    settings: Settings, *, images: int, objects: int, mmdet: bool = True, variants: bool = False
) -> Work:
    """Both sides from the same raw maps.

    Args:
        settings: sizes.
        images, objects: of the batch.
        mmdet: whether that side runs as well.
        variants: whether ours also runs compiled.
    """
    drawn, maps, infos = draw_batch(settings, images=images, objects=objects)
    maps = {name: value.requires_grad_() for name, value in maps.items()}

    def side(losses, head) -> Call:
        return lambda: with_gradients(losses(head, maps, drawn, infos), maps)

    sides, absent = {OURS: side(our_losses, our_head(settings.classes))}, {}
    if variants:
        if compiling.can_compile(settings.device.type):
            sides[COMPILED] = side(our_losses, our_head(settings.classes, compile=True))
        else:
            absent[COMPILED] = 'torch.compile does not work here'
    if mmdet:
        sides[BASE] = side(mmdet_losses, mmdet_head(settings.classes))
    return Work(sides=sides, check=check, absent=absent)


def with_gradients(losses: dict[str, Tensor], maps: dict[str, Tensor]) -> tuple[dict, dict]:
    """Losses, and gradients of their sum by map."""
    gradients = torch.autograd.grad(sum(losses.values()), list(maps.values()))
    return losses, dict(zip(maps, gradients, strict=True))


def check(side: str, output: tuple[dict, dict], reference: tuple[dict, dict]) -> str:
    """Losses by name, and gradients by map, in their largest value and in their norm."""
    (losses, gradients), (their_losses, their_gradients) = output, reference
    found = [
        differ_by_name(losses, their_losses, tolerance=LOSS),
        differ_by_name(gradients, their_gradients, tolerance=GRADIENT),
    ]
    for name, theirs in their_gradients.items():
        norms = [x.double().norm() for x in (gradients[name], theirs)]
        found.append(differ(f'norm of the gradient of {name}', *norms, tolerance=GRADIENT))
    return '; '.join(filter(None, found))
