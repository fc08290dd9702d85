"""A conversion in a few lines."""

import os
import shlex
from pathlib import Path
from typing import Any

from .convert import Conversion
from .recognise import TASKS

NETWORKS = {
    'res': 'res_{0}: ResNet-{0}, plain up-convolution',
    'resdcn': 'resdcn_{0}: ResNet-{0}, deformable up-convolution',
    'dla': 'dla_{0}: DLA-{0}, deformable aggregation',
    'dlav0': 'dlav0_{0}: DLA-{0}, plain aggregation',
    'hourglass': 'hourglass: {1}',
    'mmdet_res': "MMDetection's CenterNet: ResNet-{0}, plain up-convolution",
    'mmdet_resdcn': "MMDetection's CenterNet: ResNet-{0}, deformable up-convolution",
    'dla_imagenet': 'DLA-{0}',
}


def summary(result: Conversion) -> str:
    """What was recognised, used, dropped, and how to go on."""
    lines = [('found', _found(result)), ('used', _used(result))]
    for reason, keys in result.weights.dropped.items():
        lines.append(('dropped', f'{_tensors(len(keys))}: {reason} ({_groups(keys)})'))
    if result.checkpoint.rest:
        lines.append(('dropped', f'{", ".join(result.checkpoint.rest)}: state of the training'))
    if result.names:
        lines.append(('names', result.names))
    lines += [('config', line) for line in _config(result)]
    size = result.destination.stat().st_size / 2**20
    lines.append(('written', f'{result.destination} ({size:.1f} MiB)'))
    names = [name for name, _ in lines]
    labels = [n if i == 0 or names[i - 1] != n else '' for i, n in enumerate(names)]
    return '\n'.join(f'{label:8} {text}' for label, (_, text) in zip(labels, lines, strict=True))


def _found(result: Conversion) -> str:
    description = result.description
    depth = result.arch or description.depth
    stacks = description.num_stacks
    hourglasses = '1 hourglass' if stacks == 1 else f'{stacks} stacked hourglasses'
    parts = [
        NETWORKS[description.network].format(depth, hourglasses),
        TASKS[description.task],
    ]
    if description.num_classes:
        parts.append(f'{description.num_classes} class{"es" * (description.num_classes > 1)}')
    if result.checkpoint.epoch is not None:
        parts.append(f'epoch {result.checkpoint.epoch}')
    return ', '.join(parts)


def _used(result: Conversion) -> str:
    weights = result.weights
    used = len(weights.state) - weights.counters
    text = f'{_tensors(used)}, {weights.num_parameters:,} parameters'
    if weights.counters:
        text += f'; {weights.counters} batch counters that the file lacks begin at 0'
    for dtype, count in weights.cast.items():
        text += f'; {_tensors(count)} of {dtype} made float32'
    return text


def _config(result: Conversion) -> list[str]:
    if result.choice is None:
        in_channels = result.weights.state['base_layer.0.weight'].shape[1]
        backbone = dict(
            type='centernet_plugin.DLANet',
            arch=result.arch,
            **(dict(in_channels=in_channels) if in_channels != 3 else {}),
            init_cfg=dict(type='Pretrained', checkpoint=str(result.destination)),
        )
        return [_code(backbone)]
    choice, task = result.choice, result.description.task
    lines = [_short(choice.path)]
    options = dict(choice.options)
    if task == 'exdet':
        options['load_from'] = str(result.destination)
    if any(isinstance(value, (list, dict)) for value in options.values()):
        # mmengine's command line has no syntax for dicts.
        settings = '; '.join(f'{name} = {_code(value)}' for name, value in _nested(options).items())
        lines.append(f'with these settings, in a config that inherits it: {settings}')
    elif options:
        start = 'to start training from: ' if task == 'exdet' else ''
        quoted = [shlex.quote(f'{name}={value}') for name, value in options.items()]
        lines.append(f'{start}--cfg-options {" ".join(quoted)}')
    if choice.others:
        lines.append(f'or, with the same network, {", ".join(choice.others)}')
    branches = options.get('model.bbox_head.branches', ())
    if any('num_joints' in branch and not branch['flip_pairs'] for branch in branches):
        lines.append(
            'flip_pairs, the joints that a mirror exchanges, are not in the file: name them before '
            'you train, or test with mirrored images'
        )
    return lines


def _nested(options: dict[str, Any]) -> dict[str, Any]:
    """Settings by dotted name as dicts in dicts."""
    nested = {}
    for name, value in options.items():
        *parents, last = name.split('.')
        inner = nested
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = value
    return nested


def _code(value: Any) -> str:
    """``value`` as it stands in a config."""
    if isinstance(value, dict):
        return f'dict({", ".join(f"{name}={_code(inner)}" for name, inner in value.items())})'
    if isinstance(value, list):
        return f'[{", ".join(map(_code, value))}]'
    return repr(value)


def _short(path: Path) -> str:
    """``path`` from here, if it lies below."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith(os.pardir) else relative


def _tensors(count: int) -> str:
    return f'{count} tensor{"" if count == 1 else "s"}'


def _groups(keys: list[str]) -> str:
    """The modules that tensors belong to: ``base.level3.project``, not its seven tensors."""
    groups = {}
    for key in keys:
        head, project, _ = key.partition('.project.')
        name = f'{head}.project' if project else key.removeprefix('base.').partition('.')[0]
        groups[name] = None
    return ', '.join(groups)
