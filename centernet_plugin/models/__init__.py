from . import (  # noqa: F401
    backbones,
    branches,
    data_preprocessors,
    dense_heads,
    detectors,
    layers,
    losses,
    necks,
)
from .backbones import DLANet, HourglassNet
from .branches import (
    Branch,
    DepthBranch,
    DimensionBranch,
    GridToImage,
    JointHeatmapBranch,
    JointOffsetBranch,
    JointsBranch,
    OffsetBranch,
    OrientationBranch,
    Peaks,
    SizeBranch,
)
from .data_preprocessors import DataPreprocessor
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
    'DataPreprocessor',
    'DLAUp',
    'DepthBranch',
    'DimensionBranch',
    'GridToImage',
    'HeatmapFocalLoss',
    'HourglassNet',
    'JointHeatmapBranch',
    'JointOffsetBranch',
    'JointsBranch',
    'OffsetBranch',
    'OrientationBranch',
    'Peaks',
    'SizeBranch',
]
