"""The colour augmentation of the published training (spec section 3.4)."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from ...registry import TRANSFORMS

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


@TRANSFORMS.register_module()
class PaperColorJitter(BaseTransform):
    """Brightness, contrast and saturation in random order, then PCA lighting; nothing is clipped.

    mmdet's PhotoMetricDistortion draws from other distributions, in HSV, and has no lighting.

    Required key: ``img`` (H, W, 3), BGR, 0 to 255. Modified key: ``img``, now float32.

    Args:
        strength: each factor is 1 + U(-strength, strength).
        lighting: standard deviation of the PCA coefficients.
    """

    def __init__(self, *, strength: float = 0.4, lighting: float = 0.1) -> None:
        self.strength, self.lighting = strength, lighting

    @cache_randomness
    def _draw(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        order = np.random.permutation(3)
        factors = 1 + np.random.uniform(-self.strength, self.strength, 3)
        return order, factors, np.random.normal(0, self.lighting, 3)

    def transform(self, results: dict) -> dict:
        order, factors, coefficients = self._draw()
        results['img'] = color_jitter(results['img'], order, factors, coefficients)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(strength={self.strength}, lighting={self.lighting})'


def color_jitter(
    image: np.ndarray, order: np.ndarray, factors: np.ndarray, lighting: np.ndarray
) -> np.ndarray:
    """Apply given draws.

    All steps are linear in the image, the grey picture and the grey mean, the last two taken once
    before any step, so they add up to one pass over the pixels.

    Args:
        image: BGR, 0 to 255. (H, W, 3)
        order: permutation of 0 brightness, 1 contrast, 2 saturation.
        factors: of brightness, contrast, saturation.
        lighting: PCA coefficients. (3,)

    Returns:
        Image. (H, W, 3), float32
    """
    image = image.astype(np.float32)
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    of_image, of_gray, constant = 1.0, 0.0, 0.0
    for step in order:
        factor = factors[step]
        of_image, of_gray, constant = factor * of_image, factor * of_gray, factor * constant
        if step == 1:
            constant += (1 - factor) * gray.mean(dtype=np.float64)
        elif step == 2:
            of_gray += 1 - factor
    image *= np.float32(of_image)
    image += np.float32(of_gray) * gray[..., None]
    image += np.float32(constant) + 255 * (EIGENVECTORS @ (EIGENVALUES * lighting)).astype('f4')
    return image
