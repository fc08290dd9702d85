from . import backbones, branches, dense_heads, detectors, layers, losses, necks  # noqa: F401
from .backbones import DLANet, HourglassNet
from .branches import Branch, GridToImage, OffsetBranch, Peaks, SizeBranch
from .dense_heads import CenterNetHead
from .detectors import CenterNet, CenterNetTTA
from .losses import HeatmapFocalLoss
from .necks import CenterNetDeconvNeck, DLAUp

__all__ = [
    'Branch',
    'CenterNet',
    'CenterNetDeconvNeck',
    'CenterNetHead',
    'CenterNetTTA',
    'DLANet',
    'DLAUp',
    'GridToImage',
    'HeatmapFocalLoss',
    'HourglassNet',
    'OffsetBranch',
    'Peaks',
    'SizeBranch',
]
