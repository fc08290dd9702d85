"""The detector: backbone, neck, head."""

from mmdet.models.detectors.single_stage import SingleStageDetector
from torch import Tensor

from ...registry import MODELS
from .batches import equal_sizes


@MODELS.register_module()
class CenterNet(SingleStageDetector):
    """CenterNet, "Objects as Points" (arXiv 1904.07850).

    mmdet's single-stage detector under the name of the method: all of CenterNet is in the neck and
    :class:`~centernet_plugin.models.CenterNetHead`, which work in any detector. Ours exists because
    the detections of an image must not depend on the sizes of the others in its batch.
    """

    def predict(self, batch_inputs: Tensor, batch_data_samples: list, rescale: bool = True) -> list:
        """Adds ``pred_instances`` to the samples; see the head's ``predict_by_feat``."""
        for inputs, samples in equal_sizes(batch_inputs, batch_data_samples):
            super().predict(inputs, samples, rescale=rescale)
        return batch_data_samples
