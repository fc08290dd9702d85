"""What a program needs to know about an exported detector, as json that the file keeps."""

import json

import torch
from mmengine.config import Config

from ..engine.test_modes import test_pipeline
from ..models.functional.grid import GridToImage
from ..models.functional.peaks import find_peaks
from ..version import __version__
from .detector_graph import RENAMED, DetectorGraph


def describe(
    graph: DetectorGraph, config: Config | None, classes: tuple[str, ...]
) -> dict[str, str]:
    """The metadata of a file, each entry in json.

    ==================  ===========================================================================
    ``classes``         names, in the order of the labels
    ``stride``          input pixels per cell of the maps
    ``size_divisor``    sides of the input are multiples of it
    ``pad_pixel``       what images are padded with, to that; a value per channel of the input
    ``channel_order``   of the input: as the config's loader gives it, ``BGR``
    ``mean``, ``std``   of the pixels, subtracted and divided by in the graph; in the order of
                        ``network_channel_order``
    ``resize``          how the config's test places an image in the input, see :func:`placement`;
                        null if that is not known
    ``outputs``         for each field of the detections how it moves with the image, see
                        :func:`motions`
    ``camera_outputs``  those that need the input ``cam2img``
    ``clip``            whether the config's test cuts boxes at the image's border
    ``score_thr``       scores below are dropped in the config's test
    ``max_per_img``     so many detections are kept
    ``nms``             suppression that the config's test does and the graph does not, or null
    ``dtype``           of the network: ``float32``, ``float16`` or ``int8``
    ==================  ===========================================================================

    Args:
        graph: that is exported.
        config: whose ``test_pipeline`` is looked at.
        classes: names.
    """
    head, preprocessor = graph.head, graph.preprocessor
    swapped = preprocessor._channel_conversion
    mean, std = [0.0] * 3, [1.0] * 3
    if preprocessor._enable_normalize:
        mean, std = (t.flatten().tolist() for t in (preprocessor.mean, preprocessor.std))
    padding = [m + s * float(preprocessor.pad_value) for m, s in zip(mean, std, strict=True)]
    facts = dict(
        classes=list(classes),
        stride=head.stride,
        size_divisor=graph.size_divisor,
        pad_pixel=padding[::-1] if swapped else padding,
        mean=mean,
        std=std,
        channel_order='BGR',
        network_channel_order='RGB' if swapped else 'BGR',
        dtype=str(graph.dtype).removeprefix('torch.'),
        made_by=f'centernet_plugin {__version__}',
        resize=placement(config),
        camera_outputs=graph.camera_fields if graph.detections else [],
        **{name: head.test_cfg[name] for name in ('clip', 'score_thr', 'max_per_img', 'nms')},
    )
    if graph.detections:
        facts['outputs'] = motions(graph)
    return {name: json.dumps(value) for name, value in facts.items()}


def notes(graph: DetectorGraph, metadata: dict[str, str]) -> list[str]:
    """What a user of the file has to know, because the file alone does not do as the test does."""
    found = []
    if not graph.detections:
        return found
    if graph.head.test_cfg['nms'] is not None:
        found.append('the nms of test_cfg is not in the file; its metadata has it')
    moves = json.loads(metadata['outputs'])
    others = [name for name, motion in moves.items() if motion == 'other']
    if others:
        found.append(f'how {", ".join(others)} move with the image in the input is not known')
    if json.loads(metadata['resize']) is None:
        found.append('how the config places an image in the input is not known to the file')
    return found


def placement(config: Config | None) -> dict | None:
    """The one step of the test set's pipeline that places the image in the input.

    Returns:
        ``KeepResPad`` (``pad``, ``scale``), ``FixResAffine`` (``size`` as width and height,
        ``fit``) or ``Resize`` (``scale`` as width and height, ``keep_ratio``) as ``type`` with its
        arguments; None if there is another step, or several.
    """
    defaults = {
        'KeepResPad': dict(pad=31, scale=1.0),
        'FixResAffine': dict(size=(512, 512), fit='longest'),
        'Resize': dict(scale=None, keep_ratio=False),
    }
    steps = []
    for step in test_pipeline(config or {}) or []:
        kind = step['type'].split('.')[-1]
        if kind not in ('LoadAnnotations', 'PackDetInputs') and not _loads_colours(step, kind):
            steps.append(dict(step, type=kind))
    if len(steps) != 1 or steps[0]['type'] not in defaults:
        return None
    step = dict(defaults[steps[0]['type']], **steps[0])
    known = set(step) == {'type', *defaults[step['type']]}
    if step['type'] == 'Resize' and isinstance(step['scale'], int):
        step['scale'] = (step['scale'], step['scale'])
    return step if known and step.get('scale', 1) is not None else None


def _loads_colours(step: dict, kind: str) -> bool:
    """Whether a step gives an image as OpenCV reads it."""
    return kind == 'LoadImageFromFile' and step.get('color_type', 'color') == 'color'


def motions(graph: DetectorGraph) -> dict[str, str]:
    """How each field goes from the input to the image, found by trying.

    With (left, top) the image's place in the input and (x, y) its scale there, a ``'position'`` is
    ``(value - (left, top)) / (x, y)``, a ``'length'`` ``value / (x, y)``, for each pair of numbers;
    a ``'value'`` is the same in both. ``'other'`` is none of these.
    """
    generator = torch.Generator().manual_seed(0)
    head = graph.head
    channels = {'heatmap': head.num_classes} | {b.name: b.channels for b in head.branches}
    maps = {n: torch.randn(1, d, 16, 16, generator=generator) for n, d in channels.items()}
    activated = maps | {b.name: b.activate(maps[b.name]) for b in head.branches}
    camera = graph.example(1)[1] if graph.takes_camera else None
    peaks = find_peaks(maps['heatmap'], graph.topk)

    def decoded(shift, scale, camera):
        pair = [torch.tensor(value).view(1, 1, 2) for value in (shift, scale)]
        to_image = GridToImage(head.stride, *pair, camera=camera)
        logits, labels, cells = peaks
        return head.decode_fields(activated, logits.sigmoid(), labels, cells, to_image)

    # Of one scale for both axes: which peak of a joint is nearest changes with their ratio.
    shift, scale = torch.tensor([3.0, 5.0]), torch.tensor([0.5, 0.5])
    inside = None
    if camera is not None:  # the image's, of which the input's is this one
        inside = camera.clone()
        inside[:, :2] = (camera[:, :2] - shift[:, None] * camera[:, 2:]) / scale[:, None]
    before = decoded([0.0, 0.0], [1.0, 1.0], camera)
    after = decoded(shift.tolist(), scale.tolist(), inside)
    return {
        RENAMED.get(name, name): _motion(value, after[name], shift, scale)
        for name, value in before.items()
    }


def _motion(before, after, shift, scale) -> str:
    rules = {'value': lambda v: v}
    if before.shape[-1] % 2 == 0 and before.dim() > 2:
        rules['position'] = lambda v: ((v.unflatten(-1, (-1, 2)) - shift) / scale).flatten(-2)
        rules['length'] = lambda v: (v.unflatten(-1, (-1, 2)) / scale).flatten(-2)
    for name, rule in rules.items():
        if torch.allclose(rule(before.double()), after.double(), rtol=1e-3, atol=1e-3):
            return name
    return 'other'
