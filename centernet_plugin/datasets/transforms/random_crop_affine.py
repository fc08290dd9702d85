"""The paper's crop, scale and flip as one affine warp (paper, section 5)."""

import math

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from ...models.functional.geometry import affine_matrix
from ...registry import TRANSFORMS
from .boxes import keep_instances, warp_annotations
from .load_encoded_image import EncodedImage

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

    Required keys: ``img`` (H, W, 3), or what LoadEncodedImage gives; optional ``gt_bboxes``,
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
        resample: ``'warp'``: one affine warp, as published. ``'resize'``: the window is moved to
            whole pixels of the image or, if larger, of the input, cut and resized, in a third of
            the time. Boxes then lie where the picture has them; the published warp puts them off
            by up to a third of an image pixel, and by a whole one where it mirrors.
        rotate_prob: probability of a rotation.
        rotate: standard deviation of its angle in degrees, which ends at twice this. Boxes then
            enclose the rotated ones. The published pose training has the option, and does not
            use it.
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
        resample: str = 'warp',
        rotate_prob: float = 0.0,
        rotate: float = 0.0,
        bbox_clip_border: bool = False,
    ) -> None:
        if scale_base not in ('longest', 'input'):
            raise ValueError(f"scale_base is 'longest' or 'input', not {scale_base!r}")
        if resample not in ('warp', 'resize'):
            raise ValueError(f"resample is 'warp' or 'resize', not {resample!r}")
        if resample == 'resize' and rotate_prob > 0:
            raise ValueError("rotation needs resample='warp'")
        self.size, self.scales, self.scale_base = tuple(size), tuple(scales), scale_base
        self.border, self.flip_prob = border, flip_prob
        self.vertical_flip_prob, self.resample = vertical_flip_prob, resample
        self.rotate_prob, self.rotate = rotate_prob, rotate
        self.bbox_clip_border = bbox_clip_border

    @cache_randomness
    def _draw(self, height: int, width: int) -> tuple[np.ndarray, float, bool, bool]:
        """Window centre (x, y), window side, flips; the published order of draws."""
        base = max(height, width) if self.scale_base == 'longest' else self.size[0]
        side = base * np.random.choice(self.scales)
        center = [_draw_center(length, self.border) for length in (width, height)]
        flips = np.random.random(2) < (self.flip_prob, self.vertical_flip_prob)
        return np.array(center, np.float32), float(side), bool(flips[0]), bool(flips[1])

    @cache_randomness
    def _draw_angle(self) -> float:
        """Degrees."""
        if self.rotate_prob <= 0 or np.random.random() >= self.rotate_prob:
            return 0.0
        return self.rotate * float(np.clip(np.random.randn(), -2, 2))

    def transform(self, results: dict) -> dict:
        image = results['img']
        encoded = isinstance(image, EncodedImage)
        height, width = image.full_shape if encoded else image.shape[:2]
        center, side, flip, vertical = self._draw(height, width)
        angle = self._draw_angle()
        flips, factor = (flip, vertical), 1
        if encoded:
            image, factor = image.decode(side / self.size[0] if self.resample == 'resize' else 1)
            if factor == 1 and image.shape[:2] != (height, width):  # not as its header says
                return self.transform(results | dict(img=image, ori_shape=image.shape[:2]))
        if self.resample == 'warp':
            results['img'], matrix = warp_window(image, center, side, self.size, flips, angle)
        else:
            results['img'], matrix = resize_window(
                image, center / factor, side / factor, self.size, flips
            )
            matrix[:, :2] /= factor
        results['img_shape'] = results['img'].shape[:2]
        scale = self.size[0] / side
        results['scale_factor'] = (scale, scale)
        results['flip'] = flip or vertical
        results['flip_direction'] = FLIP_DIRECTIONS.get((flip, vertical))
        if 'gt_bboxes' in results:
            boxes = warp_annotations(
                results, matrix, self.size if self.bbox_clip_border else None, zoomed=True
            )
            limit = np.array(self.size) - 1
            visible = (boxes[:, 2:] > 0).all(1) & (boxes[:, :2] < limit).all(1)
            keep_instances(results, visible)
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(size={self.size}, scales={self.scales}, '
            f'scale_base={self.scale_base!r}, border={self.border}, flip_prob={self.flip_prob}, '
            f'vertical_flip_prob={self.vertical_flip_prob}, resample={self.resample!r}, '
            f'rotate_prob={self.rotate_prob}, rotate={self.rotate}, '
            f'bbox_clip_border={self.bbox_clip_border})'
        )


def warp_window(
    image: np.ndarray,
    center: np.ndarray,
    side: float,
    size: tuple[int, int],
    flips: tuple[bool, bool] = (False, False),
    angle: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Sample a window of an image as the published code does; black outside of the image.

    Args:
        image: (H, W, C).
        center: of the window, (x, y).
        side: of the window; it lands on the output's width.
        size: (width, height) of the output.
        flips: whether to mirror it horizontally and vertically.
        angle: to rotate it by, in degrees, clockwise.

    Returns:
        The output, and the matrix that maps boxes of the image into it. (2, 3), float64
    """
    height, width = image.shape[:2]
    mirror, center = np.eye(3), center.copy()
    # The published code mirrors box edges like pixel indices: x -> W - 1 - x.
    for axis, length in enumerate((width, height)):
        if flips[axis]:
            mirror[axis, [axis, 2]] = -1, length - 1
            center[axis] = length - center[axis] - 1
    matrix = affine_matrix(center, side, angle, size) @ mirror
    return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR), matrix


def resize_window(
    image: np.ndarray,
    center: np.ndarray,
    side: float,
    size: tuple[int, int],
    flips: tuple[bool, bool] = (False, False),
) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`warp_window`, the window moved to whole pixels, and the matrix exact."""
    scale = size[0] / side
    (left, right, x), (top, bottom, y) = (
        _span(float(center[axis]), size[axis], image.shape[1 - axis], scale) for axis in (0, 1)
    )
    inside = _resize(image[top:bottom, left:right], scale)[: size[1] - y, : size[0] - x]
    if inside.shape[:2] == (size[1], size[0]):
        image = inside
    else:
        image = np.zeros((size[1], size[0], *image.shape[2:]), image.dtype)
        image[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    matrix = np.array([[scale, 0, x - left * scale], [0, scale, y - top * scale]])
    if any(flips):
        image = cv2.flip(image, -1 if all(flips) else int(flips[0]))
        for axis in np.flatnonzero(flips):
            matrix[axis] = [0, 0, size[axis]] - matrix[axis]
    return image, matrix


def _span(center: float, size: int, length: int, scale: float) -> tuple[int, int, int]:
    """Pixels from where to where are in the window along one axis, and where in it they begin.

    It is moved to whole pixels of the image, or of the output where it begins outside of the image.
    """
    corner = center - size / scale / 2
    start = max(math.floor(corner + 0.5), 0)
    offset = max(math.floor(0.5 - corner * scale), 0)
    stop = start + math.ceil((size - offset) / scale - 1e-6)
    return start, min(stop, length), offset


def _resize(image: np.ndarray, scale: float) -> np.ndarray:
    """Resize by exactly ``scale``, to the nearest whole number of pixels."""
    height, width = (round(side * scale) for side in image.shape[:2])  # as cv2 rounds
    if not height or not width:  # less than half a pixel
        return image[:0, :0]
    if scale == 1 or (height, width) != image.shape[:2]:
        return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    # cv2.resize does nothing where the size stays.
    shift = (scale - 1) / 2
    matrix = np.array([[scale, 0, shift], [0, scale, shift]])
    return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)


def _draw_center(length: int, border: int) -> int:
    """Integer position at least ``border`` from both ends, the border halved to fit (spec 3.2)."""
    while border > 0 and length - border <= border:
        border //= 2
    return np.random.randint(border, max(length - border, border + 1))
