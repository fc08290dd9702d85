"""What a checkpoint is, told from the names and shapes of its tensors."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from ..errors import UserInputError
from .rename import EXTREME_HEADS, HEADS, MMDET_HEADS

MARKS = {  # tensors that only this kind of network has; the first kind that fits is it
    'mmdet_resdcn': (
        'backbone.conv1.weight',
        'neck.deconv_layers.0.conv.conv_offset.weight',
        'bbox_head.heatmap_head.0.weight',
    ),
    'mmdet_res': (
        'backbone.conv1.weight',
        'neck.deconv_layers.0.conv.weight',
        'bbox_head.heatmap_head.0.weight',
    ),
    'resdcn': ('conv1.weight', 'deconv_layers.0.conv_offset_mask.weight'),
    'res': ('conv1.weight', 'deconv_layers.0.weight'),
    'dla': ('base.base_layer.0.weight', 'dla_up.ida_0.proj_1.conv.weight'),
    'dlav0': ('base.base_layer.0.weight', 'dla_up.ida_0.proj_1.0.weight'),
    'hourglass': ('pre.0.conv.weight', 'kps.0.up1.0.conv1.weight', 'cnvs.0.conv.weight'),
    'dla_imagenet': ('base_layer.0.weight', 'level0.0.weight', 'level5.root.conv.weight'),
}
REFUSED = {  # marks of what is no source, and what to say
    ('bbox_head.heads.0.heatmap.0.weight',): 'is a checkpoint of this plugin already',
    ('conv1.weight', 'layer1.0.conv1.weight'): (
        'is a ResNet of torchvision, which needs no conversion: name the file in the config as '
        "model.backbone.init_cfg=dict(type='Pretrained', checkpoint=FILE)"
    ),
}
RESNETS = {  # blocks per layer, and whether they are bottlenecks (arXiv 1512.03385, table 1)
    ((2, 2, 2, 2), False): 18,
    ((3, 4, 6, 3), False): 34,
    ((3, 4, 6, 3), True): 50,
    ((3, 4, 23, 3), True): 101,
    ((3, 8, 36, 3), True): 152,
}
TASKS = {
    'ctdet': 'detection',
    'multi_pose': 'pose',
    'ddd': '3D',
    'exdet': 'ExtremeNet',
    'imagenet': 'ImageNet classification',
}


@dataclass(frozen=True)
class Description:
    """What a checkpoint is.

    Attributes:
        network: a key of :data:`MARKS`.
        depth: layers of the backbone, where the name says them.
        task: a key of :data:`TASKS`.
        heads: channels of every output that is kept, by our name.
        in_channels, feat_channels: before and within the heads; 0 without heads.
        num_stacks: outputs of the backbone that have heads.
    """

    network: str
    depth: int | None
    task: str
    heads: dict[str, int]
    in_channels: int = 0
    feat_channels: int = 0
    num_stacks: int = 1

    @property
    def architecture(self) -> str:
        """The original's name, such as ``resdcn_18``."""
        return self.network if self.depth is None else f'{self.network}_{self.depth}'

    @property
    def num_classes(self) -> int | None:
        return self.heads.get('heatmap')


def recognise(state: Mapping[str, Tensor]) -> Description:
    """What the checkpoint of these tensors is; values are not read.

    Args:
        state: tensors by published name, without ``module.``.

    Raises:
        UserInputError: nothing that can be converted; the message says what it seems to be.
    """
    network = _network(state)
    if network == 'dla_imagenet':
        return Description(network, depth=None, task='imagenet', heads={})
    num_stacks = _count(state, 'cnvs.') if network == 'hourglass' else 1
    depth = _depth(state, network)
    names = {key.partition('.')[0] for key in state}
    if names & set(EXTREME_HEADS):
        return Description(network, depth, 'exdet', heads={}, num_stacks=num_stacks)
    heads, width = {}, (0, 0)
    for name, (first, last) in _head_layers(state, network).items():
        ours = (MMDET_HEADS if network.startswith('mmdet') else HEADS)[name]
        heads[ours] = state[last].shape[0]
        if ours == 'heatmap':
            width = state[first].shape[1], state[first].shape[0]
    _check_heads(heads)
    return Description(network, depth, _task(heads), heads, *width, num_stacks)


def _network(state: Mapping[str, Tensor]) -> str:
    for network, marks in MARKS.items():
        if all(mark in state for mark in marks):
            return network
    for marks, sentence in REFUSED.items():
        if all(mark in state for mark in marks):
            raise UserInputError(f'this {sentence}')
    raise UserInputError(
        f'this is no network that can be converted: its {len(state)} tensors begin with '
        f'{", ".join(map(repr, list(state)[:3]))}'
    )


def _depth(state: Mapping[str, Tensor], network: str) -> int | None:
    if network == 'hourglass':
        return None
    if network in ('dla', 'dlav0'):
        return 34  # no other size was published
    prefix = 'backbone.' if network.startswith('mmdet') else ''
    blocks = tuple(_count(state, f'{prefix}layer{i}.') for i in (1, 2, 3, 4))
    bottleneck = f'{prefix}layer1.0.conv3.weight' in state
    if (blocks, bottleneck) not in RESNETS:
        kind = 'bottleneck' if bottleneck else 'basic'
        raise UserInputError(
            f'this is no ResNet-18, -34, -50, -101 or -152: it has {blocks} {kind} blocks'
        )
    return RESNETS[blocks, bottleneck]


def _head_layers(state: Mapping[str, Tensor], network: str) -> dict[str, tuple[str, str]]:
    """Names of the first and last weight of every head, by the head's published name."""
    prefix, names, first, last = '', HEADS, '0', '2'
    if network == 'hourglass':
        first, last = '0.0.conv', '0.1'
    if network.startswith('mmdet'):
        prefix, names = 'bbox_head.', MMDET_HEADS
    layers = {}
    for name in dict.fromkeys(key.removeprefix(prefix).partition('.')[0] for key in state):
        if name not in names:
            continue
        layers[name] = tuple(f'{prefix}{name}.{layer}.weight' for layer in (first, last))
        if f'{name}.weight' in state:
            raise UserInputError(
                f"head '{name}' is a single 1x1 convolution (head_conv 0), which is not supported"
            )
        for key in layers[name]:
            if key not in state:
                raise UserInputError(f"head '{name}' has no '{key}'")
            if state[key].dim() != 4:
                shape = tuple(state[key].shape)
                raise UserInputError(f"'{key}' is no convolution, its shape is {shape}")
    return layers


def _check_heads(heads: dict[str, int]) -> None:
    # The original's 3D networks may do without a size.
    for name in ('heatmap',) if 'depth' in heads else ('heatmap', 'size'):
        if name not in heads:
            raise UserInputError(f'there is no head for the {name}')
    classes, size = heads['heatmap'], heads.get('size', 2)
    if size == 2 * classes != 2:
        raise UserInputError(
            f"head 'wh' has {size} channels, a size for each of {classes} classes (cat_spec_wh), "
            'which is not supported'
        )


def _task(heads: dict[str, int]) -> str:
    if 'joints' in heads:
        return 'multi_pose'
    return 'ddd' if 'depth' in heads else 'ctdet'


def _count(state: Iterable[str], prefix: str) -> int:
    """How many different entries follow ``prefix`` in the names."""
    return len({key[len(prefix) :].partition('.')[0] for key in state if key.startswith(prefix)})
