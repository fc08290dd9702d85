"""The detector: backbone, neck, head."""

from mmdet.models.detectors.single_stage import SingleStageDetector

from ...registry import MODELS


@MODELS.register_module()
class CenterNet(SingleStageDetector):
    """CenterNet, "Objects as Points" (arXiv 1904.07850).

    Nothing but mmdet's single-stage detector under the name of the method: all of CenterNet is in
    the neck and :class:`~centernet_plugin.models.CenterNetHead`, which work in any detector.
    """
