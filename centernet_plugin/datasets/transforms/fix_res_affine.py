"""Test at one fixed resolution (spec section 6, fix_res)."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from ...models.functional.geometry import affine_matrix
from ...registry import TRANSFORMS
from .placement import place


@TRANSFORMS.register_module()
class FixResAffine(BaseTransform):
    """Fit the image's longest side, or its width, to the input's width, centred, in one warp.

    Required key: ``img`` (H, W, 3). Modified keys: ``img``, ``img_shape``, ``scale_factor``,
    ``border``, ``gt_bboxes`` if present.

    Args:
        size: (width, height) of the network input.
        fit: ``'longest'``: the longest side, as published for 2D. ``'width'``: the width, as
            published for 3D (spec section 9.4); what is too high is cut.
    """

    def __init__(self, *, size: tuple[int, int] = (512, 512), fit: str = 'longest') -> None:
        if fit not in ('longest', 'width'):
            raise ValueError(f"fit is 'longest' or 'width', not {fit!r}")
        self.size, self.fit = tuple(size), fit

    def transform(self, results: dict) -> dict:
        height, width = results['img'].shape[:2]
        center = np.array([width / 2, height / 2], np.float32)
        side = width if self.fit == 'width' else max(height, width)
        matrix = affine_matrix(center, side, 0, self.size)
        place(results, matrix[0, 0], matrix[0, 2], matrix[1, 2])
        results['img'] = cv2.warpAffine(results['img'], matrix, self.size, flags=cv2.INTER_LINEAR)
        results['img_shape'] = results['img'].shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(size={self.size}, fit={self.fit!r})'
