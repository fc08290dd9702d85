"""The augmentation of the published 3D training (spec section 9.1)."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from ...registry import TRANSFORMS
from .boxes import keep_instances
from .placement import place
from .random_crop_affine import warp_window


@TRANSFORMS.register_module()
class RandomShiftScaleAffine(BaseTransform):
    """Fit the image's width to the input's, and shift and scale some images.

    A square window with the image's width as its side, around the image's centre, lands on the
    input's width. Fields in metres become NaN where it was shifted or scaled, so that they are
    learnt from unchanged images alone, as published: a magnified car looks nearer than it is.

    Required keys: ``img`` (H, W, 3), ``img_shape``; optional ``gt_bboxes``, ``gt_bboxes_labels``,
    ``gt_ignore_flags``, ``gt_fields``.
    Modified keys: these, ``scale_factor``, ``border``.

    Args:
        size: (width, height) of the network input.
        prob: share of images that are shifted and scaled; 0 for the test's warp.
        shift: standard deviation of the centre, relative to the image's width and height; it
            moves by at most twice as much.
        scale: standard deviation of the side, relative to the image's width, and its most.
    """

    def __init__(
        self,
        *,
        size: tuple[int, int] = (1280, 384),
        prob: float = 0.5,
        shift: float = 0.1,
        scale: float = 0.4,
    ) -> None:
        if not 0 <= scale < 1:
            raise ValueError(f'scale must be at least 0 and below 1, got {scale}')
        self.size, self.prob, self.shift, self.scale = tuple(size), prob, shift, scale

    @cache_randomness
    def _draw(self, height: int, width: int) -> tuple[np.ndarray, float, bool]:
        """Window centre (x, y), window side, whether they are random; published order of draws."""
        center, side = np.array([width / 2, height / 2], np.float32), float(width)
        zoomed = bool(np.random.random() < self.prob)
        if zoomed:
            side *= np.clip(1 + self.scale * np.random.randn(), 1 - self.scale, 1 + self.scale)
            for axis, length in enumerate((width, height)):
                part = np.clip(self.shift * np.random.randn(), -2 * self.shift, 2 * self.shift)
                center[axis] += length * part
        return center, float(side), zoomed

    def transform(self, results: dict) -> dict:
        height, width = results['img'].shape[:2]
        center, side, zoomed = self._draw(height, width)
        results['img'], matrix = warp_window(results['img'], center, side, self.size)
        boxes = place(results, matrix[0, 0], matrix[0, 2], matrix[1, 2], zoomed=zoomed)
        results['img_shape'] = results['img'].shape[:2]
        if boxes is not None:
            limit = np.array(self.size) - 1
            keep_instances(results, (boxes[:, 2:] > 0).all(1) & (boxes[:, :2] < limit).all(1))
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(size={self.size}, prob={self.prob}, shift={self.shift}, '
            f'scale={self.scale})'
        )
