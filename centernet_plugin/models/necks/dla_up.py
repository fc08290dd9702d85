"""The neck of CenterNet on DLA: a pyramid of features into one map of its finest stride."""

from mmengine.model import BaseModule
from torch import Tensor, nn

from ...registry import MODELS
from ..layers.ida_up import IDAUp
from .deconv import bilinear_kernel

MERGES = ('add', 'concat')


@MODELS.register_module()
class DLAUp(BaseModule):
    """Aggregates level by level upwards until every map has the finest stride (paper, figure 6).

    The defaults are the paper's modified DLA (``dla_34``): merging by addition, deformable 3x3
    convolutions, and a final aggregation of the stage outputs, whose last step enlarges by 4. The
    original DLA's neck (``dlav0_34``, no deformable convolution) is ``merge='concat',
    use_dcn=False, final_ida=False``. Any backbone fits whose maps double their stride.

    Args:
        in_channels: channels of the maps, finest first; at least 2.
        merge: ``'add'`` or ``'concat'``, see :class:`IDAUp`.
        use_dcn: whether 3x3 convolutions are deformable.
        final_ida: whether the stage outputs are aggregated once more; with two maps there
            is one stage and nothing to aggregate.
        dcn_backend: ``'torch'`` or ``'mmcv'``, see ``ModulatedDeformConv2d``.
        norm_cfg: config of the norm layers; default: batch norm.
        init_cfg: replaces the published initialisation: bilinear
            transposed convolutions, N(0, 2 / (kernel area x output channels)) plain ones.

    Raises:
        ValueError: fewer than two maps, an unknown ``merge``, or maps that do not fit.
    """

    def __init__(
        self,
        *,
        in_channels: tuple[int, ...] = (64, 128, 256, 512),
        merge: str = 'add',
        use_dcn: bool = True,
        final_ida: bool = True,
        dcn_backend: str = 'torch',
        norm_cfg: dict | None = None,
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if len(in_channels) < 2:
            raise ValueError(f'DLAUp merges two maps or more, in_channels={tuple(in_channels)}')
        if merge not in MERGES:
            raise ValueError(f'unknown merge {merge!r}, choose one of {MERGES}')
        kind = dict(merge=merge, use_dcn=use_dcn, dcn_backend=dcn_backend, norm_cfg=norm_cfg)
        self.in_channels = tuple(in_channels)
        self.out_channels = in_channels[0]
        self.stages = nn.ModuleList()
        widths = list(in_channels)
        for level in reversed(range(len(widths) - 1)):
            factors = (2,) * (len(widths) - 1 - level)
            self.stages.append(IDAUp(tuple(widths[level:]), factors, **kind))
            widths[level:] = [widths[level]] * (len(widths) - level)
        self.final = None
        if final_ida and len(in_channels) > 2:
            outputs = tuple(in_channels[:-1])  # of the stages, finest first
            factors = tuple(2**i for i in range(1, len(outputs)))
            self.final = IDAUp(outputs, factors, **kind)

    def init_weights(self) -> None:
        """Published initialisation, unless the user gave another or loads a checkpoint."""
        if not self.is_init and self.init_cfg is None:
            for module in self.modules():
                if isinstance(module, nn.ConvTranspose2d):
                    kernel = bilinear_kernel(module.weight.shape[-1])
                    module.weight.data.copy_(kernel.expand_as(module.weight))
                elif isinstance(module, nn.Sequential) and isinstance(module[0], nn.Conv2d):
                    nn.init.kaiming_normal_(module[0].weight, mode='fan_out', nonlinearity='relu')
        super().init_weights()

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[Tensor]:
        """Maps of strides s, 2s, 4s... -> ((B, in_channels[0], H, W),), of stride s.

        Args:
            feats: one (B, in_channels[i], H / 2^i, W / 2^i) per entry, sizes rounded up.
        """
        channels = tuple(feat.shape[1] for feat in feats)
        if channels != self.in_channels:
            raise ValueError(
                f'the feature maps have {channels} channels, but in_channels of the neck is '
                f'{self.in_channels}; the backbone has to give these maps, finest first'
            )
        feats, outs = list(feats), []
        for stage in self.stages:
            level = len(feats) - 2 - len(outs)
            feats[level + 1 :] = stage(feats[level:])
            outs.append(feats[-1])
        if self.final is not None:
            outs = self.final(outs[::-1])
        return (outs[-1],)
