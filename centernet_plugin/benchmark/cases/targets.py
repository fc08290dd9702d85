"""From boxes to training targets: ``get_targets`` of both heads."""

from functools import partial
from typing import Any

import torch

from ...models.functional.targets import CenterTargets
from ..case import BASE, OURS, Case, Work
from ..checks import differ_by_name
from ..heads import mmdet_head, our_head
from ..inputs import draw_objects
from ..settings import Settings

GROUP = 'targets'


def cases(settings: Settings) -> list[Case]:
    name = f'{settings.images} images, {settings.objects_in(settings.images)} objects'
    work = partial(prepare, settings)
    if not settings.cuda:
        return [Case(group=GROUP, name=name, prepare=work, goals={OURS: 50})]
    syncs = dict(measure='syncs', unit='waits', limit=0)
    return [
        Case(group=GROUP, name=name, prepare=work, limit=1),
        Case(group=GROUP, name=f'{name}, waits for the device', prepare=work, **syncs),
    ]


def prepare(settings: Settings) -> Work:
    images, cells = settings.images, settings.cells
    objects = draw_objects(
        images,
        settings.objects_in(images),
        cells=cells,
        classes=settings.classes,
        device=settings.device,
    )
    ours, theirs = our_head(settings.classes), mmdet_head(settings.classes)
    boxes, labels = [x.bboxes for x in objects], [x.labels for x in objects]
    shape = (images, settings.classes, cells, cells)
    image = (settings.size, settings.size)
    return Work(
        sides={
            OURS: lambda: ours.get_targets((cells, cells), objects),
            BASE: lambda: theirs.get_targets(boxes, labels, shape, image),
        },
        check=check,
    )


def check(side: str, output: CenterTargets, reference: tuple[dict, Any]) -> str:
    """Heat-map, and size and offset at the centres."""
    if side == BASE:
        return ''
    theirs, count = reference
    used = output.weight > 0
    image, (x, y) = output.image[used], output.cells[used].unbind(1)
    values = dict(
        heatmap=output.heatmap.dense(),
        sizes=output.sizes[used],
        offsets=(output.centers - output.cells)[used],
        count=used.sum(),
    )
    references = dict(
        heatmap=theirs['center_heatmap_target'],
        sizes=theirs['wh_target'][image, :, y, x],
        offsets=theirs['offset_target'][image, :, y, x],
        count=torch.as_tensor(count),
    )
    return differ_by_name(values, references, tolerance=1e-5)
