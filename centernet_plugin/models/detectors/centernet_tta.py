"""Test-time augmentation as in the paper: mirrored and at several scales."""

import torch
from mmengine.model import BaseTTAModel
from mmengine.structures import InstanceData
from torch import nn

from ...errors import UserInputError
from ...registry import MODELS
from ..dense_heads import CenterNetHead
from ..functional.suppress import check_nms, suppress_instances
from .batches import equal_sizes

SOFT_NMS = dict(
    type='soft_nms', method='gaussian', sigma=0.5, iou_threshold=0.5, min_score=0.001, offset=1
)


@MODELS.register_module()
class CenterNetTTA(BaseTTAModel):
    """Averages the maps of an image and its mirror image, and merges the boxes of several scales.

    The views of an image that ``TestTimeAug`` of the pipeline yields are its scales; the mirror
    image is made here, of the padded input, and goes through the network in one batch with it.
    mmdet's ``DetTTAModel`` merges the boxes of mirrored images by NMS, which is not the published
    test.

    Args:
        module: the detector, or its config: any single-stage detector with a ``CenterNetHead``.
        flip: whether to test with the mirror image. What becomes of each map is said by its branch
            (``flip_test``).
        nms: how the ``topk`` boxes of each scale are merged, before the best ``max_per_img`` are
            taken (both of the head's ``test_cfg``), see
            :func:`~centernet_plugin.models.functional.suppress.suppress`; None takes the best
            whatever they overlap. Default: the published gaussian soft-NMS. A single scale goes by
            ``test_cfg.nms`` instead.
        data_preprocessor: replaces that of a detector that is given as a config.

    Raises:
        UserInputError: no ``CenterNetHead``, or an ``nms`` that does not exist; when testing: a
            pipeline without views, one that mirrors the images itself, or inputs whose width is no
            multiple of the stride, so that their mirror images have other cells.
    """

    def __init__(
        self,
        module: dict | nn.Module,
        *,
        flip: bool = True,
        nms: dict | None = SOFT_NMS,
        data_preprocessor: dict | nn.Module | None = None,
    ) -> None:
        super().__init__(module, data_preprocessor=data_preprocessor)
        self.flip, self.nms = flip, nms
        check_nms(nms)
        head = getattr(self.module, 'bbox_head', None)
        if not isinstance(head, CenterNetHead):
            raise UserInputError(
                f'CenterNetTTA averages the maps of a CenterNetHead; {type(self.module).__name__} '
                f'has {type(head).__name__} as its bbox_head'
            )

    @torch.no_grad()
    def test_step(self, data: dict) -> list:
        """Detections of the images of a batch, in each image's first sample.

        Args:
            data: of every field a list by view of lists by image, as mmengine collates the views.
        """
        if not isinstance(data['inputs'][0], (list, tuple)):
            raise UserInputError('CenterNetTTA needs a tta_pipeline that ends in TestTimeAug')
        views = [dict(zip(data, view, strict=True)) for view in zip(*data.values(), strict=True)]
        samples = [self._predict(view, select=len(views) == 1) for view in views]
        return self.merge_preds(list(zip(*samples, strict=True)))

    def merge_preds(self, data_samples_list: list) -> list:
        """One sample of the samples of every image's views; all boxes in original pixels."""
        return [self._merge(views) for views in data_samples_list]

    def _merge(self, views: tuple) -> object:
        merged = views[0]
        if len(views) > 1:
            found = InstanceData.cat([view.pred_instances for view in views])
            found = suppress_instances(found, self.nms)
            merged.pred_instances = self.module.bbox_head.select(found)
        return merged

    def _predict(self, view: dict, select: bool) -> list:
        """The samples of one view with their detections."""
        data = self.module.data_preprocessor(view, False)
        head = self.module.bbox_head
        for inputs, samples in equal_sizes(data['inputs'], data['data_samples']):
            metas = [sample.metainfo for sample in samples]
            if any(meta.get('flip') for meta in metas):
                raise UserInputError(
                    'CenterNetTTA mirrors the images itself; take RandomFlip out of tta_pipeline'
                )
            if self.flip and inputs.shape[-1] % head.stride:
                raise UserInputError(
                    f'an input is {inputs.shape[-1]} pixels wide, no multiple of the stride '
                    f'{head.stride}; pad it, for example by pad_size_divisor of the '
                    'data_preprocessor'
                )
            if self.flip:
                inputs = torch.cat([inputs, inputs.flip(-1)])
            maps = head(self.module.extract_feat(inputs), last_only=True)
            results = head.predict_by_feat(
                maps, metas, rescale=True, flipped=self.flip, select=select
            )
            for sample, result in zip(samples, results, strict=True):
                sample.pred_instances = result
        return data['data_samples']
