"""DLA: Deep Layer Aggregation (arXiv 1707.06484), the paper's backbone of best trade-off."""

import torch
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...errors import UserInputError
from ...registry import MODELS
from ..layers.dla_tree import DLABasicBlock, DLABottleneck, DLATree
from ..weights import unfilled_weights, wanted_weights

BLOCKS = {'basic': DLABasicBlock, 'bottleneck': DLABottleneck}


@MODELS.register_module()
class DLANet(BaseModule):
    """DLA-34 and its published relatives.

    Six levels: level 0 keeps the input's size, each further one halves it. Levels 0 and 1 are
    plain convolutions, 2 to 5 aggregation trees. Weights carry the published names, so the
    original's and timm's ImageNet files load by ``init_cfg=dict(type='Pretrained', ...)`` without
    conversion (what mmengine then calls unexpected, the classifier and projections that never
    reach an output, has no place here).

    Args:
        arch: ``'34'``, ``'46-c'``, ``'60'``, ``'102'``, ``'169'``, or a dict with ``levels``
            (convolutions of levels 0 and 1, then levels of each tree; 6 numbers), ``channels`` (6
            numbers), ``block`` (``'basic'`` or ``'bottleneck'``) and, optionally,
            ``residual_root``.
        in_channels: channels of the image.
        out_indices: levels to return; none after the last of them is built.
        norm_cfg: config of the norm layers.
        frozen_stages: levels up to this one (and the stem) are not trained; -1: all are.
        norm_eval: whether batch norms keep their statistics during training.
        init_cfg: weights; default: N(0, 2 / (kernel area x output channels)), norms 1 and 0.

    Raises:
        ValueError: an unknown or incomplete ``arch``, or a level that does not exist.
    """

    ARCHS = {
        '34': dict(
            levels=(1, 1, 1, 2, 2, 1), channels=(16, 32, 64, 128, 256, 512), block='basic'
        ),
        '46-c': dict(
            levels=(1, 1, 1, 2, 2, 1), channels=(16, 32, 64, 64, 128, 256), block='bottleneck'
        ),
        '60': dict(
            levels=(1, 1, 1, 2, 3, 1), channels=(16, 32, 128, 256, 512, 1024), block='bottleneck'
        ),
        '102': dict(
            levels=(1, 1, 1, 3, 4, 1),
            channels=(16, 32, 128, 256, 512, 1024),
            block='bottleneck',
            residual_root=True,
        ),
        '169': dict(
            levels=(1, 1, 2, 3, 5, 1),
            channels=(16, 32, 128, 256, 512, 1024),
            block='bottleneck',
            residual_root=True,
        ),
    }  # fmt: skip

    def __init__(
        self,
        *,
        arch: str | dict = '34',
        in_channels: int = 3,
        out_indices: tuple[int, ...] = (2, 3, 4, 5),
        norm_cfg: dict | None = None,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        init_cfg: dict | list | None = None,
    ) -> None:
        if init_cfg is None:
            init_cfg = [
                dict(type='Kaiming', layer='Conv2d', mode='fan_out'),
                dict(type='Constant', layer=['_BatchNorm', 'GroupNorm'], val=1, bias=0),
            ]
        super().__init__(init_cfg=init_cfg)
        arch = _known(arch)
        levels, channels = arch['levels'], arch['channels']
        if not out_indices or not set(out_indices) <= set(range(6)):
            raise ValueError(f'out_indices must be levels from 0 to 5, got {tuple(out_indices)}')
        if not -1 <= frozen_stages <= 5:
            raise ValueError(f'frozen_stages must be from -1 to 5, got {frozen_stages}')
        norm_cfg = norm_cfg or dict(type='BN')
        self.out_indices = tuple(out_indices)
        self.out_channels = tuple(channels[i] for i in out_indices)
        self.frozen_stages, self.norm_eval = frozen_stages, norm_eval

        self.base_layer = _convolutions(in_channels, channels[0], 1, norm_cfg, kernel=7)
        self.level0 = _convolutions(channels[0], channels[0], levels[0], norm_cfg)
        if max(out_indices) >= 1:
            self.level1 = _convolutions(channels[0], channels[1], levels[1], norm_cfg, stride=2)
        for i in range(2, max(out_indices) + 1):
            tree = DLATree(
                levels[i],
                channels[i - 1],
                channels[i],
                block=BLOCKS[arch['block']],
                stride=2,
                pass_input=i > 2,
                root_residual=arch.get('residual_root', False),
                norm_cfg=norm_cfg,
            )
            self.add_module(f'level{i}', tree)
        self._freeze()

    def init_weights(self) -> None:
        """As ``init_cfg`` says.

        Raises:
            UserInputError: a pretrained file lacks some of these weights. mmengine would only log
                it; files of hubs are all called alike and cached by name, so one may come for
                another.
        """
        if not self.is_init:
            given = self.init_cfg if isinstance(self.init_cfg, list) else [self.init_cfg]
            for cfg in given:
                if cfg['type'] == 'Pretrained':
                    self._require_all(cfg['checkpoint'], cfg.get('prefix', ''))
        super().init_weights()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(B, in_channels, H, W) -> one (B, channels, H / 2^i, W / 2^i) per level i asked for."""
        x = self.base_layer(x)
        outs = {}
        for i in range(max(self.out_indices) + 1):
            outs[i] = x = getattr(self, f'level{i}')(x)
        return tuple(outs[i] for i in self.out_indices)

    def train(self, mode: bool = True) -> 'DLANet':
        """Sets the mode; frozen levels, and with ``norm_eval`` all batch norms, stay in eval."""
        super().train(mode)
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _require_all(self, file, prefix):
        content = CheckpointLoader.load_checkpoint(file, map_location='cpu')
        prefix = f'{prefix.rstrip(".")}.' if prefix else ''
        lacking = unfilled_weights(self, content, prefix)
        if lacking:
            raise UserInputError(
                f"'{file}' has no weights of this DLA: {len(lacking)} of "
                f'{len(wanted_weights(self))} are absent or have another shape, '
                f"'{prefix}{lacking[0]}' is the first; if it was downloaded, another model's file "
                f"of that name may lie in torch's cache, {torch.hub.get_dir()}/checkpoints"
            )

    def _freeze(self):
        if self.frozen_stages < 0:
            return
        frozen = [self.base_layer]
        frozen += [getattr(self, f'level{i}', None) for i in range(self.frozen_stages + 1)]
        for module in filter(None, frozen):
            module.eval().requires_grad_(False)


def _known(arch):
    """The layout of a named or a given architecture, checked."""
    if not isinstance(arch, dict):
        if arch not in DLANet.ARCHS:
            raise ValueError(f'unknown DLA {arch!r}, choose one of {tuple(DLANet.ARCHS)} or a dict')
        return DLANet.ARCHS[arch]
    unknown = set(arch) - {'levels', 'channels', 'block', 'residual_root'}
    if unknown or not {'levels', 'channels', 'block'} <= set(arch):
        raise ValueError(
            "arch needs 'levels', 'channels' and 'block', may have 'residual_root' and nothing "
            f'else, got {sorted(arch)}'
        )
    if len(arch['levels']) != 6 or len(arch['channels']) != 6:
        raise ValueError('levels and channels of arch must have 6 numbers each')
    if min(arch['levels']) < 1:
        raise ValueError(f'levels of arch must be at least 1, got {tuple(arch["levels"])}')
    if arch['block'] not in BLOCKS:
        raise ValueError(f'unknown block {arch["block"]!r}, choose one of {tuple(BLOCKS)}')
    return arch


def _convolutions(in_channels, out_channels, count, norm_cfg, kernel=3, stride=1):
    """``count`` times convolution, norm, ReLU; the first has the stride."""
    layers = []
    for i in range(count):
        layers += [
            nn.Conv2d(
                in_channels if i == 0 else out_channels,
                out_channels,
                kernel,
                stride=stride if i == 0 else 1,
                padding=kernel // 2,
                bias=False,
            ),
            build_norm_layer(norm_cfg, out_channels)[1],
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)
