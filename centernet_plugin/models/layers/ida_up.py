"""Iterative deep aggregation (arXiv 1707.06484, section 3.2) on the way up to finer maps."""

import torch
from mmcv.cnn import build_norm_layer
from torch import Tensor, nn

from .deform_conv import ModulatedDeformConv2d


class IDAUp(nn.Module):
    """Merges maps one after the other into the first, each enlarged to its size.

    A map goes through a projection to the common width, is enlarged by a depth-wise transposed
    convolution that begins as bilinear interpolation, and is merged by a 3x3 node.

    Legend: B images, C channels after merging, (H, W) the first map's size.

    Args:
        in_channels: channels of every map; the first one's are C.
        factors: by how much every map but the first is to be enlarged.
        merge: ``'add'``, projections 3x3, as in CenterNet's modified DLA (paper, figure 6d), or
            ``'concat'``, projections 1x1 and only where the width differs, as in DLA itself.
        use_dcn: whether 3x3 convolutions are deformable.
        dcn_backend: see :class:`ModulatedDeformConv2d`.
        norm_cfg: config of the norm layers.
    """

    def __init__(
        self,
        in_channels: tuple[int, ...],
        factors: tuple[int, ...],
        *,
        merge: str = 'add',
        use_dcn: bool = True,
        dcn_backend: str = 'torch',
        norm_cfg: dict | None = None,
    ) -> None:
        super().__init__()
        self.merge = merge
        width, *others = in_channels

        def unit(channels, kernel):
            if use_dcn and kernel == 3:
                conv = ModulatedDeformConv2d(channels, width, 3, padding=1, backend=dcn_backend)
            else:
                conv = nn.Conv2d(channels, width, kernel, padding=kernel // 2, bias=False)
            norm = build_norm_layer(norm_cfg or dict(type='BN'), width)[1]
            return nn.Sequential(conv, norm, nn.ReLU(inplace=True))

        added = merge == 'add'
        self.projs = nn.ModuleList(
            unit(channels, 3 if added else 1) if added or channels != width else nn.Identity()
            for channels in others
        )
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(
                width, width, 2 * f, stride=f, padding=f // 2, groups=width, bias=False
            )
            for f in factors
        )
        self.nodes = nn.ModuleList(unit(width if added else 2 * width, 3) for _ in others)

    def forward(self, feats: tuple[Tensor, ...]) -> list[Tensor]:
        """(B, C, H, W), then coarser maps -> the merged map after each of these. (B, C, H, W).

        Raises:
            ValueError: an enlarged map does not have the size of the first.
        """
        merged, *others = feats
        size = merged.shape[-2:]
        outs = []
        for feat, proj, up, node in zip(others, self.projs, self.ups, self.nodes, strict=True):
            feat = up(proj(feat))
            if feat.shape[-2:] != size:
                # Up to factor - 1 more is an odd size that was rounded up on the way down.
                beyond = [got - n for got, n in zip(feat.shape[-2:], size, strict=True)]
                if min(beyond) < 0 or max(beyond) >= up.stride[0]:
                    raise ValueError(
                        f'a map enlarged {up.stride[0]} times has size {tuple(feat.shape[-2:])}, '
                        f'but is to be merged into one of {tuple(size)}; strides of the feature '
                        'maps have to double from one to the next'
                    )
                feat = feat[..., : size[0], : size[1]]
            joined = merged + feat if self.merge == 'add' else torch.cat((merged, feat), dim=1)
            merged = node(joined)
            outs.append(merged)
        return outs
