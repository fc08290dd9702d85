from ..functional.grid import GridToImage
from ..functional.targets import CenterTargets
from .base import Branch, Peaks
from .depth import DepthBranch
from .dimension import DimensionBranch
from .joint_heatmap import JointHeatmapBranch
from .joint_offset import JointOffsetBranch
from .joints import JointsBranch
from .offset import OffsetBranch
from .orientation import OrientationBranch
from .size import SizeBranch

__all__ = [
    'Branch',
    'CenterTargets',
    'DepthBranch',
    'DimensionBranch',
    'GridToImage',
    'JointHeatmapBranch',
    'JointOffsetBranch',
    'JointsBranch',
    'OffsetBranch',
    'OrientationBranch',
    'Peaks',
    'SizeBranch',
]
