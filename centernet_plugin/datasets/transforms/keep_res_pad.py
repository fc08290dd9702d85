"""Test at the image's own resolution, or a multiple of it (spec section 6, keep_res)."""

import cv2
from mmcv.transforms import BaseTransform

from ...registry import TRANSFORMS
from .placement import place, resize


@TRANSFORMS.register_module()
class KeepResPad(BaseTransform):
    """Pad symmetrically to the next multiple of ``pad + 1`` *above* the size; pixels stay exact.

    Required key: ``img`` (H, W, 3). Modified keys: ``img``, ``img_shape``, ``scale_factor``,
    ``border``, ``gt_bboxes`` if present. Padding is black before normalisation, as published.
    mmdet's Resize belongs before it: it does not know ``border``.

    Args:
        pad: input sides become ``(side | pad) + 1``: 31 for networks of stride 32 (640 -> 672),
            127 for the hourglass.
        scale: of the image before it is padded, for testing at several; 1 keeps its pixels.
    """

    def __init__(self, *, pad: int = 31, scale: float = 1.0) -> None:
        if pad < 0 or pad & (pad + 1):
            raise ValueError(f'pad must be a power of two minus one, such as 31 or 127, got {pad}')
        if scale <= 0:
            raise ValueError(f'scale must be positive, got {scale}')
        self.pad, self.scale = pad, scale

    def transform(self, results: dict) -> dict:
        resize(results, self.scale)
        height, width = results['img'].shape[:2]
        new_height, new_width = (height | self.pad) + 1, (width | self.pad) + 1
        top, left = new_height // 2 - height // 2, new_width // 2 - width // 2
        place(results, 1.0, left, top)
        bottom, right = new_height - height - top, new_width - width - left
        results['img'] = cv2.copyMakeBorder(
            results['img'], top, bottom, left, right, cv2.BORDER_CONSTANT, value=0
        )
        results['img_shape'] = results['img'].shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(pad={self.pad}, scale={self.scale})'
