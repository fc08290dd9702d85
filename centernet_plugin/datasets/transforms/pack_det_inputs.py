"""Packing that takes fields of the annotations and a colour matrix along."""

import numpy as np
import torch
from mmdet.datasets.transforms import PackDetInputs as MMDetPackDetInputs
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes

from ...errors import UserInputError
from ...registry import TRANSFORMS
from .fields import follow_boxes
from .uncolored_image import UncoloredImage


@TRANSFORMS.register_module()
class PackDetInputs(MMDetPackDetInputs):
    """mmdet's, which also takes ``gt_fields`` and what ``PaperColorJitter(on_device=True)`` leaves.

    ``gt_fields`` become fields of ``gt_instances`` and, of those to ignore, ``ignored_instances``.

    With colours left, ``inputs`` are the pixels as loaded, usually uint8, and the sample has the
    meta key ``color_matrix``, whatever ``meta_keys`` are. It has to meet
    ``centernet_plugin.DataPreprocessor``: mmdet's raises on such a sample. Everything else is
    packed as mmdet's packs it.
    """

    def transform(self, results: dict) -> dict:
        if not results.get('gt_fields'):
            return self._pack(results)
        follow_boxes(results)
        boxes = HorizontalBoxes(results['gt_bboxes'].tensor, clone=False)  # mmdet's own again
        packed = self._pack(results | dict(gt_bboxes=boxes))
        _pack_fields(packed['data_samples'], results)
        return packed

    def _pack(self, results: dict) -> dict:
        image = results.get('img')
        if not isinstance(image, UncoloredImage):
            return super().transform(results)
        # A view that mmdet's transposes back without a copy.
        packed = super().transform(results | dict(img=image.planes.transpose(1, 2, 0)))
        sample = packed['data_samples']
        uncolored = UncoloredSample()
        uncolored.set_data(dict(sample.items()))
        for name, value in (sample.metainfo | dict(color_matrix=image.matrix)).items():
            uncolored.set_field(value, name, field_type='metainfo')  # set_metainfo copies deeply
        return packed | dict(data_samples=uncolored)


def _pack_fields(sample: DetDataSample, results: dict) -> None:
    """Put ``gt_fields`` where mmdet's has put the boxes."""
    fields, flags = results['gt_fields'], results.get('gt_ignore_flags')
    ignored = np.zeros(len(results['gt_bboxes']), bool) if flags is None else np.asarray(flags) != 0
    parts = [('gt_instances', ~ignored)]
    if flags is not None:
        parts.append(('ignored_instances', ignored))
    for name, chosen in parts:
        instances = sample.get(name)
        for field, values in fields.items():
            instances[field] = torch.from_numpy(np.ascontiguousarray(values[chosen]))


class UncoloredSample(DetDataSample):
    """A sample that must not be normalised while it has its ``color_matrix``.

    mmdet's preprocessor would leave the colours out without a word. It notes every sample's padded
    shape once it has normalised, and there this raises.
    """

    def set_metainfo(self, metainfo: dict) -> None:
        if 'pad_shape' in metainfo and 'color_matrix' in self.metainfo_keys():
            raise UserInputError(
                "PaperColorJitter(on_device=True) needs data_preprocessor=dict(type='"
                "centernet_plugin.DataPreprocessor', ...) in the model; set on_device=False for "
                'another'
            )
        super().set_metainfo(metainfo)


def colored(inputs: np.ndarray, sample: DetDataSample) -> np.ndarray:
    """The inputs of a packed image with its colours, to look at.

    Args:
        inputs: (C, H, W).
        sample: its sample.

    Returns:
        As given where no colours are to be applied, else float32. (C, H, W)
    """
    matrix = sample.metainfo.get('color_matrix')
    if matrix is None:
        return inputs
    return np.einsum('ij,jhw->ihw', matrix[:, :3], inputs) + matrix[:, 3, None, None]
