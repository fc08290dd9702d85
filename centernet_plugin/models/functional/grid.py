"""From the cells of the feature map back to the pixels of the image."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import UserInputError


@dataclass
class GridToImage:
    """The map ``(cell * stride - shift) / scale``.

    Legend: B images, K detections per image.

    Attributes:
        stride: input pixels per cell.
        shift: input position (x, y) of the image's origin, the padding. (B, 1, 2)
        scale: input pixels per image pixel, (x, y). (B, 1, 2)
        camera: projection of metres onto pixels of the image, NaN for an image that has none, or
            None if no image has one. (B, 3, 4)
    """

    stride: int
    shift: Tensor
    scale: Tensor
    camera: Tensor | None = None

    @classmethod
    def from_metas(
        cls, metas: list[dict], stride: int, rescale: bool, like: Tensor
    ) -> 'GridToImage':
        """The map of a batch, of the type and on the device of ``like``.

        Args:
            metas: of each image; ``border`` (top, bottom, left, right of the image in the input),
                ``scale_factor`` and ``cam2img`` (of the original image, see
                :func:`camera_matrix`) count where they are present.
            stride: input pixels per cell.
            rescale: to the original image's pixels instead of the resized one's.
            like: any tensor of the detections.
        """
        shifts = [(m['border'][2], m['border'][0]) if 'border' in m else (0, 0) for m in metas]
        scales = [m.get('scale_factor', (1, 1))[:2] if rescale else (1, 1) for m in metas]
        shift, scale = (
            torch.tensor([[float(v) for v in pair] for pair in pairs])[:, None].to(like)
            for pairs in (shifts, scales)
        )
        camera = None
        if any('cam2img' in m for m in metas):
            camera = torch.stack([camera_matrix(m.get('cam2img')) for m in metas]).to(like)
            if not rescale:
                pixels = [m.get('scale_factor', (1, 1))[:2] for m in metas]
                pixels = torch.tensor([(float(x), float(y), 1.0) for x, y in pixels])
                camera = camera * pixels[..., None].to(like)
        return cls(stride=stride, shift=shift, scale=scale, camera=camera)

    def points(self, points: Tensor) -> Tensor:
        """Positions (B, ..., 2) in cells -> pixels."""
        shift, scale = self._placement_for(points)
        return (points * self.stride - shift) / scale

    def cells(self, points: Tensor) -> Tensor:
        """Positions (B, ..., 2) in pixels -> cells."""
        shift, scale = self._placement_for(points)
        return (points * scale + shift) / self.stride

    def lengths(self, lengths: Tensor) -> Tensor:
        """Extents (B, ..., 2) in cells -> pixels."""
        return lengths * self.stride / self._placement_for(lengths)[1]

    def _placement_for(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Shift and scale, of as many dimensions as points (B, ..., 2)."""
        each = (-1, *[1] * (points.dim() - 2), 2)
        return self.shift.view(each), self.scale.view(each)

    def locate(self, points: Tensor, depths: Tensor) -> Tensor:
        """Where in front of the camera a pixel at a depth lies.

        Args:
            points: pixels of the image. (B, K, 2)
            depths: along the optical axis, in metres. (B, K)

        Returns:
            x, y, z in metres. (B, K, 3)
        """
        p = self.camera[:, :, :, None]  # (B, 3, 4, 1)
        z = depths - p[:, 2, 3]
        xy = [(points[..., i] * depths - p[:, i, 3] - p[:, i, 2] * z) / p[:, i, i] for i in (0, 1)]
        return torch.stack([*xy, z], dim=-1)

    def ray_angles(self, points: Tensor) -> Tensor:
        """Angle between the optical axis and the ray to a pixel, seen from above. (B, K)"""
        p = self.camera[..., None]
        return torch.atan2(points[..., 0] - p[:, 0, 2], p[:, 0, 0].expand_as(points[..., 0]))


def camera_matrix(cam2img: Tensor | np.ndarray | list | None) -> Tensor:
    """Projection of metres onto pixels, homogeneous. (3, 4), float64

    Args:
        cam2img: intrinsics (3, 3), a projection (3, 4) or the same with a row (0, 0, 0, 1) below
            (4, 4); None gives NaN.

    Raises:
        UserInputError: it has another shape.
    """
    if cam2img is None:
        return torch.full((3, 4), torch.nan, dtype=torch.float64)
    matrix = torch.as_tensor(cam2img, dtype=torch.float64)
    if tuple(matrix.shape) not in ((3, 3), (3, 4), (4, 4)):
        raise UserInputError(
            f'cam2img is {tuple(matrix.shape)}; it projects metres onto pixels, as a matrix of '
            '(3, 4), (4, 4), or (3, 3) for intrinsics alone'
        )
    return F.pad(matrix[:3], (0, 4 - matrix.shape[1]))


def image_size(meta: dict, rescale: bool) -> tuple[float, float]:
    """(height, width) of the original image, or of the resized one within the padded input."""
    if rescale:
        return meta['ori_shape'][:2]
    if 'border' in meta:
        top, bottom, left, right = meta['border']
        return bottom - top, right - left
    return meta['img_shape'][:2]


def clip_boxes(boxes: Tensor, size: tuple[float, float]) -> Tensor:
    """Boxes (N, 4) cut at the border of an image of ``size`` (height, width)."""
    height, width = size
    x, y = boxes[:, 0::2].clamp(0, width), boxes[:, 1::2].clamp(0, height)  # (N, 2) each
    return torch.stack([x, y], dim=-1).flatten(1)
