from . import transforms  # noqa: F401
from .coco import CocoDataset
from .kitti import KittiDataset

__all__ = ['CocoDataset', 'KittiDataset']
