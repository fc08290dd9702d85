"""The colour augmentation of the published training (spec section 3.4)."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from ...registry import TRANSFORMS
from .uncolored_image import UncoloredImage

# Principal components of ImageNet's colours, channels in BGR order (AlexNet's "lighting").
EIGENVALUES = np.array([0.2141788, 0.01817699, 0.00341571], np.float32)
EIGENVECTORS = np.array(
    [
        [-0.58752847, -0.69563484, 0.41340352],
        [-0.5832747, 0.00994535, -0.81221408],
        [-0.56089297, 0.71832671, 0.41158938],
    ],
    np.float32,
)
GRAY = np.array([0.114, 0.587, 0.299])  # weights of B, G, R in the grey picture


@TRANSFORMS.register_module()
class PaperColorJitter(BaseTransform):
    """Brightness, contrast and saturation in random order, then PCA lighting; nothing is clipped.

    mmdet's PhotoMetricDistortion draws from other distributions, in HSV, and has no lighting.

    Required key: ``img`` (H, W, 3), BGR, 0 to 255. Modified key: ``img``, now float32, or an
    :class:`UncoloredImage`.

    Args:
        strength: each factor is 1 + U(-strength, strength).
        lighting: standard deviation of the PCA coefficients.
        on_device: only measure the image and note the colour matrix, which
            ``centernet_plugin.DataPreprocessor`` applies where it normalises, to the same colours
            up to rounding. Pixels then stay as loaded, a quarter of the bytes on the way to the
            device. The next step has to be ``centernet_plugin.PackDetInputs``.
    """

    def __init__(
        self, *, strength: float = 0.4, lighting: float = 0.1, on_device: bool = False
    ) -> None:
        self.strength, self.lighting, self.on_device = strength, lighting, on_device

    @cache_randomness
    def _draw(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        order = np.random.permutation(3)
        factors = 1 + np.random.uniform(-self.strength, self.strength, 3)
        return order, factors, np.random.normal(0, self.lighting, 3)

    def transform(self, results: dict) -> dict:
        image = results['img']
        planes = split_channels(image)
        matrix = color_matrix(gray_mean(planes), *self._draw())
        if self.on_device:
            results['img'] = UncoloredImage(planes, matrix)
        else:
            results['img'] = cv2.transform(image.astype(np.float32, copy=False), matrix)
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(strength={self.strength}, lighting={self.lighting}, '
            f'on_device={self.on_device})'
        )


def split_channels(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) -> (3, H, W), contiguous; cv2 does it ten times as fast as numpy."""
    planes = np.empty((3, *image.shape[:2]), image.dtype)
    cv2.split(image, list(planes))
    return planes


def gray_mean(planes: np.ndarray) -> float:
    """Mean of the grey picture. planes: (3, H, W), BGR"""
    return float(GRAY @ [cv2.mean(plane)[0] for plane in planes])


def color_matrix(
    gray_mean: float, order: np.ndarray, factors: np.ndarray, lighting: np.ndarray
) -> np.ndarray:
    """The whole jitter as one matrix.

    All steps are linear in the pixel, its grey value, itself linear, and the grey mean of the
    image, the last two taken before any step.

    Args:
        gray_mean: of the image, 0 to 255.
        order: permutation of 0 brightness, 1 contrast, 2 saturation.
        factors: of brightness, contrast, saturation.
        lighting: PCA coefficients. (3,)

    Returns:
        Matrix of BGR pixels, ``color = matrix[:, :3] @ pixel + matrix[:, 3]``. (3, 4), float32
    """
    of_image, of_gray, constant = 1.0, 0.0, 0.0
    for step in order:
        factor = factors[step]
        of_image, of_gray, constant = factor * of_image, factor * of_gray, factor * constant
        if step == 1:
            constant += (1 - factor) * gray_mean
        elif step == 2:
            of_gray += 1 - factor
    matrix = np.empty((3, 4), np.float32)
    matrix[:, :3] = of_image * np.eye(3) + of_gray * GRAY
    matrix[:, 3] = constant + 255 * (EIGENVECTORS @ (EIGENVALUES * lighting))
    return matrix
