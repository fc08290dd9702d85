"""All that was found on an image, drawn with OpenCV alone, quick enough for videos."""

from collections.abc import Mapping

import numpy as np
from mmdet.structures import DetDataSample

from .draw import class_color, draw_boxes
from .skeletons import draw_skeletons

BOX3D = ('locations', 'dimensions', 'rotations_y')


def draw_detections(
    image: np.ndarray,
    sample: DetDataSample,
    meta: Mapping,
    *,
    score_thr: float = 0.3,
    kpt_thr: float = 0.1,
) -> np.ndarray:
    """Draw boxes, skeletons and boxes in space, whichever there are.

    What :class:`CenterNetVisualizer` draws with matplotlib, in a fraction of its time.

    Args:
        image: uint8 (H, W, 3) BGR; not changed.
        sample: its ``pred_instances``, in pixels of `image`; ``cam2img`` for boxes in space.
        meta: of the dataset: ``classes``, and where there are any ``palette`` (RGB), ``skeleton``
            and ``flip_pairs``.
        score_thr: boxes that score more are drawn.
        kpt_thr: joints below are left out.

    Returns:
        New image, (H, W, 3).
    """
    found = sample.pred_instances.cpu().numpy()
    found = found[found.scores > score_thr]  # as mmdet's visualizer
    palette, labels = meta.get('palette'), found.labels
    if isinstance(palette, str) or not palette:
        colors = [class_color(label) for label in labels]
    else:
        colors = [tuple(int(v) for v in palette[i % len(palette)][::-1]) for i in labels]
    classes = meta.get('classes') or ()
    drawn = draw_boxes(image, found.bboxes, labels, found.scores, classes, colors=colors)
    camera = sample.metainfo.get('cam2img')
    if len(found) and camera is not None and all(name in found for name in BOX3D):
        from .boxes3d import draw_boxes3d  # of no use to those who have no 3D boxes

        boxes = (found[name] for name in BOX3D)
        camera, nameless = np.asarray(camera, np.float64), [''] * (labels.max() + 1)
        drawn = draw_boxes3d(drawn, *boxes, camera, labels, class_names=nameless, colors=colors)
    if len(found) and 'keypoints' in found:
        drawn = draw_skeletons(
            drawn,
            found.keypoints,
            meta.get('skeleton', ()),
            meta.get('flip_pairs', ()),
            found.get('keypoint_scores'),
            threshold=kpt_thr,
        )
    return drawn
