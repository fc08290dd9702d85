"""The paper's crop, scale and flip as one affine warp (paper, section 5)."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from ...models.functional.geometry import affine_matrix
from ...registry import TRANSFORMS
from .boxes import keep_instances, warp_boxes

FLIP_DIRECTIONS = {
    (True, False): 'horizontal',
    (False, True): 'vertical',
    (True, True): 'diagonal',
}


@TRANSFORMS.register_module()
class RandomCropAffine(BaseTransform):
    """Crop, scale, flip and pad in one warp to a fixed size.

    A square window of random side, centred at a random point, lands on the input. Every box with
    any part in it stays; the head clips to the visible part. Images without boxes are fine.

    Required keys: ``img`` (H, W, 3); optional ``gt_bboxes``,
    ``gt_bboxes_labels``, ``gt_ignore_flags``.
    Modified keys: ``img``, ``img_shape``, ``gt_bboxes``, ``gt_bboxes_labels``,
    ``gt_ignore_flags``, ``flip``, ``flip_direction``, ``scale_factor``.

    Args:
        size: (width, height) of the network input.
        scales: window sides to choose from, relative to ``scale_base``.
        scale_base: ``'longest'``: the image's longest side, as published. ``'input'``: the input's
            width, so objects keep their size in pixels times 1 / scale, whatever the image's size.
        border: the window's centre keeps this distance from the image border (halved until it is
            less than half the side).
        flip_prob: probability of a horizontal flip.
        vertical_flip_prob: probability of a vertical flip; for cells, aerial and other
            pictures without an up.
        bbox_clip_border: cut the boxes at the input's border. Our head does that itself, at the
            last cell; other heads, mmdet's CenterNetHead among them, need it here.
    """

    def __init__(
        self,
        *,
        size: tuple[int, int] = (512, 512),
        scales: tuple[float, ...] = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3),
        scale_base: str = 'longest',
        border: int = 128,
        flip_prob: float = 0.5,
        vertical_flip_prob: float = 0.0,
        bbox_clip_border: bool = False,
    ) -> None:
        if scale_base not in ('longest', 'input'):
            raise ValueError(f"scale_base is 'longest' or 'input', not {scale_base!r}")
        self.size, self.scales, self.scale_base = tuple(size), tuple(scales), scale_base
        self.border, self.flip_prob = border, flip_prob
        self.vertical_flip_prob = vertical_flip_prob
        self.bbox_clip_border = bbox_clip_border

    @cache_randomness
    def _draw(self, height: int, width: int) -> tuple[np.ndarray, float, bool, bool]:
        """Window centre (x, y), window side, flips; the published order of draws."""
        base = max(height, width) if self.scale_base == 'longest' else self.size[0]
        side = base * np.random.choice(self.scales)
        center = [_draw_center(length, self.border) for length in (width, height)]
        flips = np.random.random(2) < (self.flip_prob, self.vertical_flip_prob)
        return np.array(center, np.float32), float(side), bool(flips[0]), bool(flips[1])

    def transform(self, results: dict) -> dict:
        image = results['img']
        height, width = image.shape[:2]
        center, side, flip, vertical = self._draw(height, width)
        mirror = np.eye(3)
        # The published code mirrors box edges like pixel indices: x -> W - 1 - x.
        if flip:
            mirror[0] = -1, 0, width - 1
            center[0] = width - center[0] - 1
        if vertical:
            mirror[1] = 0, -1, height - 1
            center[1] = height - center[1] - 1
        matrix = affine_matrix(center, side, 0, self.size) @ mirror  # (2, 3)

        results['img'] = cv2.warpAffine(image, matrix, self.size, flags=cv2.INTER_LINEAR)
        results['img_shape'] = results['img'].shape[:2]
        scale = self.size[0] / side
        results['scale_factor'] = (scale, scale)
        results['flip'] = flip or vertical
        results['flip_direction'] = FLIP_DIRECTIONS.get((flip, vertical))
        if 'gt_bboxes' in results:
            boxes = warp_boxes(results, matrix, self.size if self.bbox_clip_border else None)
            limit = np.array(self.size) - 1
            visible = (boxes[:, 2:] > 0).all(1) & (boxes[:, :2] < limit).all(1)
            keep_instances(results, visible)
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(size={self.size}, scales={self.scales}, '
            f'scale_base={self.scale_base!r}, border={self.border}, flip_prob={self.flip_prob}, '
            f'vertical_flip_prob={self.vertical_flip_prob}, '
            f'bbox_clip_border={self.bbox_clip_border})'
        )


def _draw_center(length: int, border: int) -> int:
    """Integer position at least ``border`` from both ends, the border halved to fit (spec 3.2)."""
    while border > 0 and length - border <= border:
        border //= 2
    return np.random.randint(border, max(length - border, border + 1))
