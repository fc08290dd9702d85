"""The aggregation tree of DLA (Deep Layer Aggregation, arXiv 1707.06484, section 3.1).

Legend: B images, C input channels, O output channels, (H, W) input size, s stride.
"""

import torch
from mmcv.cnn import build_norm_layer
from torch import Tensor, nn


class DLATree(nn.Module):
    """Blocks in sequence, their outputs joined by root nodes.

    A tree of one level is two blocks and a root that joins both. A tree of more levels is two
    trees in sequence; what the first one gives goes to the innermost root of the second. Weights
    carry the published names, without those that never reach an output: the original makes a
    projection for every tree and uses it in trees of one level only.

    Args:
        levels: number of levels.
        in_channels, out_channels: C and O.
        block: ``DLABasicBlock`` or ``DLABottleneck``.
        stride: of the first block.
        pass_input: whether the pooled input goes to the root as well.
        root_residual: whether roots add their deepest input to their output.
        extra_channels: channels that the root gets from the trees around this one.
        norm_cfg: config of the norm layers.
    """

    def __init__(
        self,
        levels: int,
        in_channels: int,
        out_channels: int,
        *,
        block: type[nn.Module],
        stride: int = 1,
        pass_input: bool = False,
        root_residual: bool = False,
        extra_channels: int = 0,
        norm_cfg: dict | None = None,
    ) -> None:
        super().__init__()
        norm_cfg = norm_cfg or dict(type='BN')
        self.pass_input = pass_input
        # The input shrinks as in the strided convolutions, also where its size is odd.
        self.pool = nn.MaxPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity()
        if pass_input:
            extra_channels += in_channels
        self.root = self.project = None
        if levels == 1:
            self.tree1 = block(in_channels, out_channels, stride, norm_cfg)
            self.tree2 = block(out_channels, out_channels, 1, norm_cfg)
            self.root = _Root(
                2 * out_channels + extra_channels, out_channels, root_residual, norm_cfg
            )
            if in_channels != out_channels:
                self.project = nn.Sequential(
                    nn.Conv2d(in_channels, out_channels, 1, bias=False),
                    build_norm_layer(norm_cfg, out_channels)[1],
                )
        else:
            inner = dict(block=block, root_residual=root_residual, norm_cfg=norm_cfg)
            self.tree1 = DLATree(levels - 1, in_channels, out_channels, stride=stride, **inner)
            self.tree2 = DLATree(
                levels - 1,
                out_channels,
                out_channels,
                extra_channels=extra_channels + out_channels,
                **inner,
            )

    def forward(self, x: Tensor, extra: tuple[Tensor, ...] = ()) -> Tensor:
        """(B, C, H, W) -> (B, O, H / s, W / s), sizes rounded up; ``extra``: maps for the root."""
        if self.pass_input:
            extra = (*extra, self.pool(x))
        if self.root is None:
            first = self.tree1(x)
            return self.tree2(first, (*extra, first))
        residual = self.pool(x)
        if self.project is not None:
            residual = self.project(residual)
        first = self.tree1(x, residual)
        second = self.tree2(first, first)
        return self.root(second, first, *extra)


class DLABasicBlock(nn.Module):
    """Two 3x3 convolutions, and a residual that the tree supplies."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, norm_cfg: dict) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1 = build_norm_layer(norm_cfg, out_channels)[1]
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = build_norm_layer(norm_cfg, out_channels)[1]
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        """(B, C, H, W) and (B, O, H / s, W / s) -> (B, O, H / s, W / s)."""
        out = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(out)) + residual)


class DLABottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution, half as wide inside, and a residual that the tree supplies."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, norm_cfg: dict) -> None:
        super().__init__()
        width = out_channels // 2
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = build_norm_layer(norm_cfg, width)[1]
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = build_norm_layer(norm_cfg, width)[1]
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = build_norm_layer(norm_cfg, out_channels)[1]
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        """(B, C, H, W) and (B, O, H / s, W / s) -> (B, O, H / s, W / s)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.relu(self.bn3(self.conv3(out)) + residual)


class _Root(nn.Module):
    """Joins maps of one size: concatenation, 1x1 convolution, norm, ReLU."""

    def __init__(self, in_channels, out_channels, residual, norm_cfg):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn = build_norm_layer(norm_cfg, out_channels)[1]
        self.relu = nn.ReLU(inplace=True)
        self.residual = residual

    def forward(self, *feats):
        out = self.bn(self.conv(torch.cat(feats, dim=1)))
        if self.residual:
            out = out + feats[0]
        return self.relu(out)
