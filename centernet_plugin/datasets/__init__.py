from . import transforms  # noqa: F401
from .coco import CocoDataset

__all__ = ['CocoDataset', 'CocoPoseDataset']
__all__ = ['CocoDataset', 'KittiDataset']
from .coco_pose import CocoPoseDataset
from .kitti import KittiDataset
