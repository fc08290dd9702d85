"""An exported file in the place of a detector, in mmdet's tests."""

import json

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from torch import Tensor

from ..errors import UserInputError
from ..models.functional.grid import GridToImage, camera_matrix, clip_boxes, image_size
from ..models.functional.suppress import suppress_instances
from ..registry import MODELS
from .detector_graph import RENAMED
from .onnx_calibration import pad
from .onnx_packages import require_packages
from .onnx_session import as_program, open_session

NAMES = {new: old for old, new in RENAMED.items()}  # of the file's outputs, as fields


@MODELS.register_module()
class OnnxDetector(BaseModel):
    """Detections of an ONNX file made by ``tools/deployment/export_onnx.py``.

    Does what the file leaves to its user: padding, the way from the input's pixels to the image's,
    clipping, suppression and the score threshold, by the file's metadata. Runs on the CPU.

    Args:
        file (str): path of the file.
        threads (int, optional): of ONNX Runtime; default: as many as PyTorch has.

    Raises:
        UserInputError: packages are missing, or the file has raw maps or is no export of ours.
    """

    def __init__(self, file: str, threads: int | None = None) -> None:
        super().__init__()
        require_packages()
        session = open_session(file, threads)
        about = session.get_modelmeta().custom_metadata_map
        self.about = {name: json.loads(text) for name, text in about.items()}
        if 'outputs' not in self.about:
            raise UserInputError(f"'{file}' has no detections among its outputs")
        self.program = as_program(session)

    def forward(
        self, inputs: list[Tensor], data_samples: list[DetDataSample], mode: str = 'predict'
    ) -> list[DetDataSample]:
        """Adds ``pred_instances`` to the samples, in pixels of the images.

        Args:
            inputs: as the pipeline gives them. (3, H, W) each
            data_samples: one for each.
            mode: only ``'predict'``.
        """
        if mode != 'predict':
            raise NotImplementedError('an exported file predicts, and does nothing else')
        for image, sample in zip(inputs, data_samples, strict=True):
            sample.pred_instances = self._detect(image, sample.metainfo)
        return data_samples

    def _detect(self, image: Tensor, meta: dict) -> InstanceData:
        """Detections of one image, which need no padding for the sake of others."""
        about = self.about
        pixels = image.float().numpy()[None]
        feed = [torch.from_numpy(pad(pixels, about['size_divisor'], about['pad_pixel']))]
        to_image = GridToImage.from_metas([meta], stride=1, rescale=True, like=feed[0])
        if about['camera_outputs']:
            feed.append(_camera_of_input(meta, to_image))
        found = self.program(tuple(feed))
        fields = {}
        for name, motion in about['outputs'].items():
            value = found[name]
            if motion in ('position', 'length'):
                move = to_image.points if motion == 'position' else to_image.lengths
                value = move(value.unflatten(-1, (-1, 2))).flatten(-2).view_as(value)
            if motion != 'other' and ('cam2img' in meta or name not in about['camera_outputs']):
                fields[NAMES.get(name, name)] = value[0]
        result = InstanceData(**fields)
        if about['clip'] and 'bboxes' in result:
            result.bboxes = clip_boxes(result.bboxes, image_size(meta, rescale=True))
        if about['nms'] is not None:
            result = suppress_instances(result, about['nms'])
        result = result[: about['max_per_img']]
        return result[result.scores >= about['score_thr']]


def _camera_of_input(meta: dict, to_image: GridToImage) -> Tensor:
    """Projection of metres onto the input's pixels; anything for an image without one. (1, 3, 4)"""
    camera = camera_matrix(meta.get('cam2img', np.eye(3)))
    warp = torch.eye(3, dtype=camera.dtype)
    warp[[0, 1], [0, 1]] = to_image.scale[0, 0].to(camera)
    warp[:2, 2] = to_image.shift[0, 0].to(camera)
    return (warp @ camera).float()[None]
