"""How cost grows with objects and images."""

from functools import partial

from ..case import Case
from ..settings import Settings
from . import decoding, losses

OBJECTS = (10, 100, 1000)  # per image
MMDET_UP_TO = 100  # a thousand take mmdet's loop over the objects minutes
IMAGES = (1, 4, 16)
LINEAR, CONSTANT = 'linear', 'constant'
SLACK = 1.25  # of what a series may grow by, for the spread of the measurement


def cases(settings: Settings) -> list[Case]:
    """Losses and decoding over the number of objects, then over that of images.

    A map of n x n cells has at most n^2 / 16 objects here: they need cells of their own.
    """
    objects = [n for n in OBJECTS if n <= settings.cells**2 / 16]
    images = sorted({min(n, settings.images) for n in IMAGES})
    found = []
    for module, law in ((losses, LINEAR), (decoding, CONSTANT)):
        for n in objects:
            found.append(
                _case(
                    module,
                    settings,
                    series=f'{module.GROUP}, objects per image',
                    name=f'{module.GROUP}, {n} objects per image',
                    at=n,
                    growth=SLACK * (n / objects[0] if law == LINEAR else 1),
                    load=dict(
                        images=settings.images,
                        objects=n * settings.images,
                        mmdet=n <= MMDET_UP_TO,
                    ),
                )
            )
        for n in images:
            found.append(
                _case(
                    module,
                    settings,
                    series=f'{module.GROUP}, images',
                    name=f'{module.GROUP}, {n} image' + 's' * (n > 1),
                    at=n,
                    growth=SLACK * n / images[0],
                    load=dict(images=n, objects=settings.objects_in(n)),
                )
            )
    return found


def _case(module, settings: Settings, *, load: dict, **place) -> Case:
    return Case(group='growth', prepare=partial(module.prepare, settings, **load), **place)
