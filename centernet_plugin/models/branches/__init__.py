from ..functional.grid import GridToImage
from .base import Branch, Peaks
from .offset import OffsetBranch
from .size import SizeBranch

__all__ = ['Branch', 'GridToImage', 'OffsetBranch', 'Peaks', 'SizeBranch']
