from .base import Branch, GridToImage, Peaks
from .offset import OffsetBranch
from .size import SizeBranch

__all__ = ['Branch', 'GridToImage', 'OffsetBranch', 'Peaks', 'SizeBranch']
