from . import branches, dense_heads, detectors, layers, losses, necks  # noqa: F401
from .branches import Branch, GridToImage, OffsetBranch, Peaks, SizeBranch
from .dense_heads import CenterNetHead
from .detectors import CenterNet
from .losses import HeatmapFocalLoss
from .necks import CenterNetDeconvNeck

__all__ = [
    'Branch',
    'CenterNet',
    'CenterNetDeconvNeck',
    'CenterNetHead',
    'GridToImage',
    'HeatmapFocalLoss',
    'OffsetBranch',
    'Peaks',
    'SizeBranch',
]
