"""Names of published weights as ours, one function per kind of network.

Every function takes a name and returns ours, or None for a name that it does not know.
"""

import re
from collections.abc import Callable, Iterable

HEADS = {  # published name of an output: ours
    'hm': 'heatmap',
    'wh': 'size',
    'reg': 'offset',
    'hps': 'joints',
    'hm_hp': 'joint_heatmap',
    'hp_offset': 'joint_offset',
    'dep': 'depth',
    'rot': 'orientation',
    'dim': 'dimension',
}
EXTREME_HEADS = tuple(  # of ExtremeNet, and of the original CenterNet's version of it
    [f'{side}_{kind}' for side in ('t', 'l', 'b', 'r') for kind in ('heats', 'regrs')]
    + ['ct_heats']
    + [f'{kind}_{side}' for side in ('t', 'l', 'b', 'r') for kind in ('hm', 'reg')]
    + ['hm_c']
)
MMDET_HEADS = {'heatmap_head': 'heatmap', 'wh_head': 'size', 'offset_head': 'offset'}

EXTREME = 'heads of ExtremeNet; training can start from the other weights'
CLASSIFIER = 'ImageNet classifier; never run in a detector'
UNUSED_PROJECT = 'projections whose result is thrown away'


def rename(key: str, network: str) -> str | None:
    """Our name of one tensor.

    Args:
        key: published name.
        network: a key of :data:`RULES`.

    Returns:
        The name in our model, or None if no network of that kind has such a tensor.
    """
    return RULES[network](key)


def unused(keys: Iterable[str], network: str) -> dict[str, str]:
    """Which tensors have no place in our model, although they are published.

    Args:
        keys: names of all tensors of a checkpoint.
        network: a key of :data:`RULES`.

    Returns:
        The reason, by name.
    """
    keys = dict.fromkeys(keys)
    classifier = 'fc.' if network == 'dla_imagenet' else 'base.fc.'
    reasons = {}
    for key in keys:
        tree, project, _ = key.partition('.project.')
        if network.startswith('dla') and key.startswith(classifier):
            reasons[key] = CLASSIFIER
        # Of nested trees only the innermost, which have a root, use their projection.
        elif network.startswith('dla') and project and f'{tree}.root.conv.weight' not in keys:
            reasons[key] = UNUSED_PROJECT
        elif key.partition('.')[0] in EXTREME_HEADS:
            reasons[key] = EXTREME
    return reasons


def _res(key: str) -> str | None:
    """ResNet: names of torchvision, then ``deconv_layers``."""
    if re.match(r'(conv1|bn1|layer[1-4])\.', key):
        return f'backbone.{key}'
    if key.startswith('deconv_layers.'):
        return f'neck.{_offsets(key)}'
    return _head(key)


def _dla(key: str) -> str | None:
    """DLA with deformable, adding aggregation: a unit is ``conv`` and ``actf.0`` (batch norm)."""
    found = _ida(key)
    if found is None:
        return _dla_base(key)
    node, rest = found
    for theirs, ours in (('conv.', '0.'), ('actf.0.', '1.')):
        if rest.startswith(theirs):
            return f'{node}.{_offsets(ours + rest.removeprefix(theirs))}'
    return f'{node}.{rest}' if rest == 'weight' and '.ups.' in node else None


def _dlav0(key: str) -> str | None:
    """DLA with concatenating aggregation: a unit is ``0`` and ``1`` (batch norm)."""
    found = _ida(key)
    return _dla_base(key) if found is None else '.'.join(found)


def _ida(key: str) -> tuple[str, str] | None:
    """An aggregation node's name as ours, and what follows it; theirs count from 1."""
    found = re.fullmatch(r'(?:dla_up\.ida_(\d+)|ida_up)\.(proj|up|node)_([1-9]\d*)\.(.+)', key)
    if not found:
        return None
    step, kind, index, rest = found.groups()
    part = 'final' if step is None else f'stages.{step}'
    return f'neck.{part}.{kind}s.{int(index) - 1}', rest


def _dla_base(key: str) -> str | None:
    if key.startswith('base.'):
        return f'backbone.{key.removeprefix("base.")}'
    return _head(key)


def _dla_imagenet(key: str) -> str | None:
    """A backbone alone, as ``init_cfg=dict(type='Pretrained', ...)`` takes it."""
    return key if re.match(r'(base_layer|level[0-5])\.', key) else None


def _hourglass(key: str) -> str | None:
    """Stacked hourglass: the names of MMDetection's HourglassNet."""
    first, _, rest = key.partition('.')
    if first in HEADS:
        found = re.fullmatch(r'(\d+)\.(0\.conv|1)\.(weight|bias)', rest)
        if not found:
            return None
        stack, layer, leaf = found.groups()
        return f'bbox_head.heads.{stack}.{HEADS[first]}.{0 if layer == "0.conv" else 2}.{leaf}'
    renamed = rest.replace('skip.', 'downsample.')
    if first == 'pre':
        layer, _, rest = renamed.partition('.')
        return {'0': f'backbone.stem.0.{rest}', '1': f'backbone.stem.1.0.{rest}'}.get(layer)
    if first in ('inters_', 'cnvs_'):
        found = re.fullmatch(r'(\d+)\.([01])\.(\w+)', rest)
        if not found:
            return None
        stack, layer, leaf = found.groups()
        part = {'inters_': 'conv1x1s', 'cnvs_': 'remap_convs'}[first]
        return f'backbone.{part}.{stack}.{("conv", "bn")[int(layer)]}.{leaf}'
    part = {'kps': 'hourglass_modules', 'cnvs': 'out_convs', 'inters': 'inters'}.get(first)
    return part and f'backbone.{part}.{renamed}'


def _mmdet(key: str) -> str | None:
    """MMDetection's CenterNet: its neck counts pairs of convolution and batch norm."""
    if key.startswith('backbone.'):
        return key
    found = re.fullmatch(r'neck\.deconv_layers\.(\d+)\.(conv|bn)\.(.+)', key)
    if found:
        index, layer, rest = found.groups()
        # Each pair is three of our layers, the third being the ReLU.
        return f'neck.deconv_layers.{3 * int(index) + (layer == "bn")}.{rest}'
    found = re.fullmatch(r'bbox_head\.(\w+_head)\.([02]\.(?:weight|bias))', key)
    if found and found.group(1) in MMDET_HEADS:
        return f'bbox_head.heads.0.{MMDET_HEADS[found.group(1)]}.{found.group(2)}'
    return None


def _head(key: str) -> str | None:
    """The heads of networks with one stack."""
    first, _, rest = key.partition('.')
    if first in HEADS and re.fullmatch(r'[02]\.(weight|bias)', rest):
        return f'bbox_head.heads.0.{HEADS[first]}.{rest}'
    return None


def _offsets(key: str) -> str:
    """The layer of a deformable convolution that predicts offsets and mask."""
    return key.replace('conv_offset_mask.', 'conv_offset.')


RULES: dict[str, Callable[[str], str | None]] = {
    'res': _res,
    'resdcn': _res,
    'dla': _dla,
    'dlav0': _dlav0,
    'hourglass': _hourglass,
    'mmdet_res': _mmdet,
    'mmdet_resdcn': _mmdet,
    'dla_imagenet': _dla_imagenet,
}
