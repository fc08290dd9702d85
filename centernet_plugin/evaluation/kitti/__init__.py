from .average_precision import average_precision, precision_curve, sample_thresholds
from .difficulty import DIFFICULTIES, Difficulty
from .evaluate import OVERLAPS, Result, evaluate
from .kitti_metric import KittiMetric
from .matching import Scene
from .overlap import image_coverage, image_overlaps, space_boxes, space_overlaps

__all__ = [
    'DIFFICULTIES',
    'OVERLAPS',
    'Difficulty',
    'KittiMetric',
    'Result',
    'Scene',
    'average_precision',
    'evaluate',
    'image_coverage',
    'image_overlaps',
    'precision_curve',
    'sample_thresholds',
    'space_boxes',
    'space_overlaps',
]
