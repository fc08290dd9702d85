"""The up-convolution neck of CenterNet on ResNet."""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...registry import MODELS
from ..layers.deform_conv import ModulatedDeformConv2d

LAYOUTS = ('published', 'mmdet')


@MODELS.register_module()
class CenterNetDeconvNeck(BaseModule):
    """Doubles the size of the last feature map once per entry of ``deconv_channels``.

    The two published forms: plain, 256-256-256, where each step is a 4x4 transposed convolution
    of stride 2; and deformable, 256-128-64, where a 3x3 deformable convolution goes before it.
    Batch norm and ReLU follow each of them. The layout of ``deconv_layers`` is the published one,
    so published weights only need a prefix (and ``conv_offset_mask`` renamed to ``conv_offset``).

    MMDetection's CenterNet has a 3x3 convolution before each transposed one in the plain form too,
    and no biases: ``layout='mmdet'``.

    Args:
        in_channels: channels of the last feature map.
        deconv_channels: output channels of every step.
        use_dcn: whether a deformable convolution goes before each step.
        layout: ``'published'`` or ``'mmdet'``.
        dcn_backend: ``'torch'`` or ``'mmcv'``, see ``ModulatedDeformConv2d``.
        init_cfg: replaces the published initialisation, which is
            that of the original code: plain, weights N(0, 0.001); deformable, bilinear weights
            in output channel 0 of each transposed convolution and PyTorch's default in the rest.
            With ``layout='mmdet'`` both forms are initialised as the deformable one.

    Raises:
        ValueError: no step, an unknown layout, or a feature map of other channels.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        deconv_channels: tuple[int, ...] = (256, 256, 256),
        use_dcn: bool = False,
        layout: str = 'published',
        dcn_backend: str = 'torch',
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if not deconv_channels:
            raise ValueError('deconv_channels must name at least one step')
        if layout not in LAYOUTS:
            raise ValueError(f'unknown layout {layout!r}, choose one of {LAYOUTS}')
        self.in_channels = in_channels
        self.out_channels = deconv_channels[-1]
        self.bilinear = use_dcn or layout == 'mmdet'
        layers = []
        for channels in deconv_channels:
            before = None
            if use_dcn:
                before = ModulatedDeformConv2d(
                    in_channels,
                    channels,
                    padding=1,
                    bias=layout == 'published',
                    backend=dcn_backend,
                )
            elif layout == 'mmdet':
                before = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
            if before is not None:
                layers += _normed(before)
                in_channels = channels
            layers += _normed(
                nn.ConvTranspose2d(in_channels, channels, 4, stride=2, padding=1, bias=False)
            )
            in_channels = channels
        self.deconv_layers = nn.Sequential(*layers)

    def init_weights(self) -> None:
        """Published initialisation, unless the user gave another or loads a checkpoint."""
        if not self.is_init and self.init_cfg is None:
            for module in self.deconv_layers:
                if isinstance(module, nn.ConvTranspose2d):
                    if self.bilinear:
                        fill_first_channel_bilinear_(module.weight)
                    else:
                        nn.init.normal_(module.weight, std=0.001)
                elif isinstance(module, nn.BatchNorm2d):
                    nn.init.ones_(module.weight)
                    nn.init.zeros_(module.bias)
        super().init_weights()

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[Tensor]:
        """((N, C, H, W), ...) -> ((N, out_channels, H * 2^n, W * 2^n),), from the last map."""
        last = feats[-1]
        if last.shape[1] != self.in_channels:
            raise ValueError(
                f'the last feature map has {last.shape[1]} channels, but in_channels of the neck '
                f'is {self.in_channels}'
            )
        return (self.deconv_layers(last),)


def fill_first_channel_bilinear_(weight: Tensor) -> None:
    """Write the bilinear kernel into output channel 0 of a transposed convolution, in place.

    The original applies a helper made for depth-wise layers to full ones, so the other output
    channels keep their default values.

    Args:
        weight: (in channels, out channels, k, k).
    """
    with torch.no_grad():
        weight[:, 0] = bilinear_kernel(weight.shape[-1]).to(weight)


def bilinear_kernel(size: int) -> Tensor:
    """(size, size) weights of bilinear up-sampling by size / 2, as a transposed convolution."""
    factor = (size + 1) // 2
    centre = (2 * factor - 1 - factor % 2) / (2 * factor)
    axis = 1 - (torch.arange(size, dtype=torch.float64) / factor - centre).abs()
    return axis[:, None] * axis


def _normed(conv):
    """The layers of one step: convolution, batch norm, ReLU."""
    return [conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU(inplace=True)]
