"""Where the image lies in the network input: ``input = image * scale_factor + (left, top)``.

Both values go to mmdet's own keys, ``scale_factor`` and ``border``, so that they mean the same as
after mmdet's Resize and RandomCenterCropPad. ``border`` has to be among ``meta_keys`` of
``PackDetInputs``, as in every shipped config.
"""

import cv2
import numpy as np

from .boxes import warp_annotations


def place(
    results: dict, scale: float, left: float, top: float, *, zoomed: bool = False
) -> np.ndarray | None:
    """Compose a further step ``x -> x * scale + (left, top)`` into the results' keys and boxes.

    Args:
        results: of a pipeline.
        scale, left, top: the step.
        zoomed: see :func:`~centernet_plugin.datasets.transforms.boxes.warp_annotations`.

    Returns:
        The boxes, if there are any. (N, 4)
    """
    height, width = results['img_shape'][:2]
    if 'border' in results:
        old_top, old_bottom, old_left, old_right = results['border']
    else:
        old_top, old_bottom, old_left, old_right = 0, height, 0, width
    results['border'] = np.array(
        [
            old_top * scale + top,
            old_bottom * scale + top,
            old_left * scale + left,
            old_right * scale + left,
        ],
        np.float64,
    )
    factor = results.get('scale_factor', (1.0, 1.0))
    results['scale_factor'] = (factor[0] * scale, factor[1] * scale)
    if 'gt_bboxes' not in results:
        return None
    matrix = np.array([[scale, 0, left], [0, scale, top]], np.float64)
    return warp_annotations(results, matrix, zoomed=zoomed)


def resize(results: dict, scale: float) -> None:
    """Resize the image as the published test does: sides cut to whole pixels.

    The way back divides by ``scale`` itself, not by the ratio of the cut sides.
    """
    if scale == 1:
        return
    height, width = results['img'].shape[:2]
    size = max(int(width * scale), 1), max(int(height * scale), 1)
    results['img'] = cv2.resize(results['img'], size, interpolation=cv2.INTER_LINEAR)
    place(results, scale, 0, 0)
    results['img_shape'] = results['img'].shape[:2]
