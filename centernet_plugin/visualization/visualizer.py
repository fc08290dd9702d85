"""mmdet's visualizer, which draws skeletons and 3D boxes too where there are any."""

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import get_box_tensor
from mmdet.visualization import DetLocalVisualizer
from mmengine.structures import InstanceData

from ..arrays import to_numpy
from ..registry import VISUALIZERS
from .skeletons import draw_skeletons

BOX3D = ('locations', 'dimensions', 'rotations_y')


@VISUALIZERS.register_module()
class CenterNetVisualizer(DetLocalVisualizer):
    """Draws what mmdet's does and, of ``gt_instances`` and ``pred_instances`` that have them,

    - ``keypoints`` (N, J, 2), with ``skeleton`` and ``flip_pairs`` of ``dataset_meta``; joints
      with ``keypoint_scores`` (N, J) below ``kpt_thr`` are left out, and so is NaN;
    - 3D boxes, ``locations`` (N, 3), ``dimensions`` (N, 3) and ``rotations_y`` (N,), by the
      sample's ``cam2img``. It belongs to the original image, and so do these boxes: on another
      they lie elsewhere.

    Boxes end at the border of the picture; mmdet's shrink it, to show all of them. Else pictures
    without such fields are the same as mmdet's.

    Args:
        kpt_thr: see above.
        name, *args, **kwargs: of mmdet's DetLocalVisualizer.
    """

    def __init__(self, name: str = 'visualizer', *args, kpt_thr: float = 0.1, **kwargs) -> None:
        super().__init__(name, *args, **kwargs)
        self.kpt_thr = kpt_thr
        self._cam2img = None  # of the sample that is being drawn

    def add_datasample(
        self,
        name: str,
        image: np.ndarray,
        data_sample: DetDataSample | None = None,
        *args,
        **kwargs,
    ) -> None:
        """Draw a sample, see mmdet's; images are RGB."""
        self._cam2img = None if data_sample is None else data_sample.get('cam2img')
        super().add_datasample(name, image, data_sample, *args, **kwargs)

    def _draw_instances(
        self,
        image: np.ndarray,
        instances: InstanceData,
        classes: list[str] | None,
        palette: list[tuple] | None,
    ) -> np.ndarray:
        drawn = super()._draw_instances(image, _within(instances, image), classes, palette)
        if not len(instances):
            return drawn
        bgr = drawn[..., ::-1]
        if self._cam2img is not None and all(name in instances for name in BOX3D):
            bgr = self._draw_boxes3d(bgr, instances)
        if 'keypoints' in instances:
            scores = instances.get('keypoint_scores')
            bgr = draw_skeletons(
                bgr,
                to_numpy(instances.keypoints),
                self.dataset_meta.get('skeleton', ()),
                self.dataset_meta.get('flip_pairs', ()),
                None if scores is None else to_numpy(scores),
                threshold=self.kpt_thr,
            )
        return bgr[..., ::-1]

    def _draw_boxes3d(self, image: np.ndarray, instances: InstanceData) -> np.ndarray:
        from .boxes3d import draw_boxes3d  # of no use to those who have no 3D boxes

        labels = to_numpy(instances.labels)
        return draw_boxes3d(
            image,
            *(to_numpy(instances[name]) for name in BOX3D),
            to_numpy(self._cam2img).astype(np.float64),
            labels,
            class_names=[''] * (labels.max() + 1),  # mmdet's part has written them
        )


def _within(instances: InstanceData, image: np.ndarray) -> InstanceData:
    """The instances with their boxes cut at the border of an image (H, W, 3)."""
    if 'bboxes' not in instances:
        return instances
    height, width = image.shape[:2]
    shown, boxes = instances.clone(), get_box_tensor(instances.bboxes)
    x, y = boxes[:, 0::2].clip(0, width), boxes[:, 1::2].clip(0, height)
    shown.bboxes = torch.stack([x, y], dim=-1).flatten(1)
    return shown
