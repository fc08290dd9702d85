from .analysis import Analysis
from .detections import Detections, require_same_set
from .ground_truth import GroundTruth, truth_of_annotations, truth_of_dataset
from .keypoint_metric import KeypointMetric
from .kitti import KittiMetric
from .matches import Matches, run_coco
from .precision import by_class, by_iou, object_counts, overall, precision_recall
from .predictions import read_predictions
from .ranking import ImageScores, best_threshold, score_images
from .verdicts import Verdicts

__all__ = [
    'Analysis',
    'Detections',
    'GroundTruth',
    'ImageScores',
    'KeypointMetric',
    'KittiMetric',
    'Matches',
    'Verdicts',
    'best_threshold',
    'by_class',
    'by_iou',
    'object_counts',
    'overall',
    'precision_recall',
    'read_predictions',
    'require_same_set',
    'run_coco',
    'score_images',
    'truth_of_annotations',
    'truth_of_dataset',
]
