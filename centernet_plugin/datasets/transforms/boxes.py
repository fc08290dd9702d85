"""Ground-truth fields of a pipeline's results, kept consistent under a warp."""

import numpy as np
from mmdet.structures.bbox import BaseBoxes, HorizontalBoxes

from ...models.functional.geometry import transform_boxes
from .fields import follow_boxes, warp_fields
from .followed_boxes import FollowedBoxes

PER_INSTANCE = ('gt_bboxes', 'gt_bboxes_labels', 'gt_ignore_flags')
NOT_WARPED = ('gt_masks', 'gt_keypoints', 'gt_seg_map')


def warp_annotations(
    results: dict,
    matrix: np.ndarray,
    clip: tuple[int, int] | None = None,
    *,
    zoomed: bool = False,
) -> np.ndarray:
    """Warp ``gt_bboxes`` (array or mmdet boxes) and ``gt_fields`` of the results in place.

    Args:
        results: of a pipeline.
        matrix: from the image's pixels to the new ones. (2, 3)
        clip: (width, height) to cut the boxes at.
        zoomed: objects look nearer or farther than they are, see
            :class:`~centernet_plugin.datasets.transforms.fields.Warp`.

    Returns:
        The boxes. (N, 4)

    Raises:
        ValueError: there are annotations that it does not know how to warp.
    """
    unknown = [key for key in NOT_WARPED if key in results]
    if unknown:
        raise ValueError(
            f'this transform does not warp {", ".join(unknown)}; load the annotations without'
        )
    warp_fields(results, matrix, zoomed)
    boxes = results['gt_bboxes']
    wrapped = isinstance(boxes, BaseBoxes)
    array = boxes.tensor.numpy() if wrapped else np.asarray(boxes, np.float32).reshape(-1, 4)
    array = transform_boxes(array, matrix)
    if clip is not None:
        array = array.clip(0, np.array(clip * 2, np.float32))
    if wrapped:
        boxes = HorizontalBoxes(array, dtype=boxes.dtype)
        results['gt_bboxes'] = FollowedBoxes.begin(boxes) if 'gt_fields' in results else boxes
    else:
        results['gt_bboxes'] = array
    return array


def keep_instances(results: dict, keep: np.ndarray) -> None:
    """Keep the chosen instances in every per-instance field that is there. keep: (N,), bool"""
    for key in PER_INSTANCE:
        if key in results:
            results[key] = results[key][keep]
    follow_boxes(results)
