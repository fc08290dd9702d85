"""The stacked hourglass network, with every parameter in use."""

from mmcv.cnn import build_norm_layer
from mmdet.models.backbones.hourglass import HourglassNet as MMDetHourglassNet
from torch import Tensor, nn

from ...registry import MODELS


@MODELS.register_module()
class HourglassNet(MMDetHourglassNet):
    """mmdet's Hourglass-104, as the paper has it, in any number of stacks and any width.

    mmdet's computes the same; ours exists because with one stack mmdet's makes a block that is
    never used (which plain DistributedDataParallel refuses), hands ``norm_cfg`` to some
    of its layers only, and takes no ``init_cfg``. Names of weights are mmdet's.

    Args:
        downsample_times: how often one hourglass halves the size.
        num_stacks: hourglasses one after the other; 2 for Hourglass-104, 1 for -52.
        stage_channels: channels after each halving, the first before any.
        stage_blocks: residual blocks of each, likewise.
        feat_channel: channels of each output map.
        norm_cfg: config of all norm layers; default: batch norm.
        init_cfg: weights; default: PyTorch's own initialisation, as
            published.

    Raises:
        ValueError: no stack, or fewer stages than halvings need.
    """

    def __init__(
        self,
        *,
        downsample_times: int = 5,
        num_stacks: int = 2,
        stage_channels: tuple[int, ...] = (256, 256, 384, 384, 384, 512),
        stage_blocks: tuple[int, ...] = (2, 2, 2, 2, 2, 4),
        feat_channel: int = 256,
        norm_cfg: dict | None = None,
        init_cfg: dict | list | None = None,
    ) -> None:
        if num_stacks < 1:
            raise ValueError(f'num_stacks must be at least 1, got {num_stacks}')
        if not downsample_times < len(stage_channels) == len(stage_blocks):
            raise ValueError(
                f'{downsample_times} halvings need {downsample_times + 1} stages or more, got '
                f'stage_channels {tuple(stage_channels)} and stage_blocks {tuple(stage_blocks)}'
            )
        super().__init__(
            downsample_times=downsample_times,
            num_stacks=num_stacks,
            stage_channels=stage_channels,
            stage_blocks=stage_blocks,
            feat_channel=feat_channel,
        )
        self.init_cfg = init_cfg
        if num_stacks == 1:
            self.inters = nn.ModuleList()  # mmdet makes one block even for none
        if norm_cfg is not None:
            _replace_norms(self, norm_cfg)

    def init_weights(self) -> None:
        """As ``init_cfg`` says; without one, what the layers were made with stays."""
        super(MMDetHourglassNet, self).init_weights()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> one (B, feat_channel, H / 4, W / 4) per stack; H, W rounded up."""
        return tuple(super().forward(x))


def _replace_norms(module, norm_cfg):
    """Puts the norm layer of ``norm_cfg`` in place of every batch norm, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, build_norm_layer(norm_cfg, child.num_features)[1])
        else:
            _replace_norms(child, norm_cfg)
