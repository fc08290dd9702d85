from . import transforms  # noqa: F401
from .coco import CocoDataset
from .coco_pose import CocoPoseDataset
from .kitti import KittiDataset

__all__ = ['CocoDataset', 'CocoPoseDataset', 'KittiDataset']
