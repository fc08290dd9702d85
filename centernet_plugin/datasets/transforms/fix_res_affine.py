"""Test at one fixed resolution (spec section 6, fix_res)."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from ...models.functional.geometry import affine_matrix
from ...registry import TRANSFORMS
from .placement import place


@TRANSFORMS.register_module()
class FixResAffine(BaseTransform):
    """Fit the image's longest side to the input's width, centred, in one warp.

    Required key: ``img`` (H, W, 3). Modified keys: ``img``, ``img_shape``, ``scale_factor``,
    ``border``, ``gt_bboxes`` if present.

    Args:
        size: (width, height) of the network input.
    """

    def __init__(self, *, size: tuple[int, int] = (512, 512)) -> None:
        self.size = tuple(size)

    def transform(self, results: dict) -> dict:
        height, width = results['img'].shape[:2]
        center = np.array([width / 2, height / 2], np.float32)
        matrix = affine_matrix(center, max(height, width), 0, self.size)
        place(results, matrix[0, 0], matrix[0, 2], matrix[1, 2])
        results['img'] = cv2.warpAffine(results['img'], matrix, self.size, flags=cv2.INTER_LINEAR)
        results['img_shape'] = results['img'].shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(size={self.size})'
