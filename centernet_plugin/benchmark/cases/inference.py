"""ResNet-18 from image file to detections: the same network on both sides."""

from functools import partial
from itertools import cycle

from mmdet.apis import inference_detector
from mmengine.structures import InstanceData
from torch import nn

from ..case import BASE, FASTEST, OURS, Call, Case, Skip, Work
from ..checks import differ_in_detections
from ..settings import Settings

GROUP = 'inference, image file to detections'
GOALS = {'plain': 1.3, 'deformable': 1.5}
VARIANTS = {  # options of deploy.accelerate
    'ours, folded': dict(fold=True),
    'ours, channels last': dict(fold=True, channels_last=True),
    'ours, compiled': dict(fold=True, compile=True),
    'ours, bf16': dict(fold=True, bf16=True),
}
LOOSE = {'ours, bf16': dict(score=0.05, pixels=1e9)}  # 8 bits: other peaks among the weak ones


def cases(settings: Settings) -> list[Case]:
    return [
        Case(
            group=GROUP,
            name=f'ResNet-18 {form}',
            prepare=partial(prepare, settings, form),
            goals={FASTEST: goal},
        )
        for form, goal in GOALS.items()
    ]


def prepare(settings: Settings, form: str) -> Work:
    try:
        from ..detectors import build_pair
    except ImportError as error:
        raise Skip('a pair of detectors of equal weights is not there') from error
    ours, theirs = build_pair(form, settings.device)
    models = {OURS: ours} | variants(form, settings) | {BASE: theirs}
    sides = {name: model and detect(model, settings) for name, model in models.items()}
    absent = {} if theirs else {BASE: 'mmdet needs an operator that mmcv does not have here'}
    absent |= {name: 'not available here' for name in VARIANTS if models.get(name) is None}
    return Work(sides=sides, check=check, absent=absent)


def variants(form: str, settings: Settings) -> dict[str, nn.Module | None]:
    """Ours made faster in each of the ways."""
    try:
        from ...deploy import accelerate
    except ImportError:
        return {}
    from ..detectors import build_pair

    # A pair each: what is made faster is changed in place.
    return {
        name: accelerate(build_pair(form, settings.device)[0], **options)
        for name, options in VARIANTS.items()
    }


def detect(model: nn.Module, settings: Settings) -> Call:
    """Detections of the next image file, the same one for every side in every round."""
    files = cycle(settings.pictures.files)
    return lambda: inference_detector(model, next(files)).pred_instances


def check(side: str, output: InstanceData, reference: InstanceData) -> str:
    """The detections of one image."""
    tolerance = LOOSE.get(side, dict(score=1e-4, pixels=1e-2))
    return differ_in_detections([output], [reference], **tolerance)
