"""From the cells of the feature map back to the pixels of the image."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class GridToImage:
    """The map ``(cell * stride - shift) / scale``.

    Legend: B images, K detections per image.

    Attributes:
        stride: input pixels per cell.
        shift: input position (x, y) of the image's origin, the padding. (B, 1, 2)
        scale: input pixels per image pixel, (x, y). (B, 1, 2)
    """

    stride: int
    shift: Tensor
    scale: Tensor

    @classmethod
    def from_metas(
        cls, metas: list[dict], stride: int, rescale: bool, like: Tensor
    ) -> 'GridToImage':
        """The map of a batch, of the type and on the device of ``like``.

        Args:
            metas: of each image; ``border`` (top, bottom, left, right of the image in the input)
                and ``scale_factor`` count where they are present.
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
        return cls(stride=stride, shift=shift, scale=scale)

    def points(self, points: Tensor) -> Tensor:
        """Positions (B, K, 2) in cells -> pixels."""
        return (points * self.stride - self.shift) / self.scale

    def lengths(self, lengths: Tensor) -> Tensor:
        """Extents (B, K, 2) in cells -> pixels."""
        return lengths * self.stride / self.scale


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
