from . import transforms  # noqa: F401
from .coco import CocoDataset

__all__ = ['CocoDataset']
