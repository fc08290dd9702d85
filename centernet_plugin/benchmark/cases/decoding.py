"""From raw maps to detections: ``predict_by_feat`` of both heads."""

from functools import partial

import torch
from mmengine.structures import InstanceData

from ..case import BASE, OURS, Case, Work
from ..checks import differ_in_detections
from ..heads import draw_batch, mmdet_head, mmdet_maps, our_head
from ..settings import Settings

GROUP = 'decoding'


def cases(settings: Settings) -> list[Case]:
    found = []
    for images, goal in {1: 5, settings.images: 10}.items():
        name = f'{images} image' + 's' * (images > 1)
        work = partial(prepare, settings, images=images, objects=settings.objects_in(images))
        found.append(Case(group=GROUP, name=name, prepare=work, goals={OURS: goal}))
    return found


def prepare(settings: Settings, *, images: int, objects: int, mmdet: bool = True) -> Work:
    """Both sides from the same raw maps; the arguments are those of the losses' ``prepare``."""
    _, maps, infos = draw_batch(settings, images=images, objects=objects)
    ours, theirs = our_head(settings.classes), mmdet_head(settings.classes)

    @torch.no_grad()
    def decode() -> list[InstanceData]:
        return ours.predict_by_feat((maps,), infos, rescale=True)

    @torch.no_grad()
    def decode_theirs() -> list[InstanceData]:
        return theirs.predict_by_feat(*mmdet_maps(maps), infos, rescale=True)

    sides = {OURS: decode} | ({BASE: decode_theirs} if mmdet else {})
    return Work(sides=sides, check=lambda _, result, other: differ_in_detections(result, other))
