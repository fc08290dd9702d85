import cv2
import numpy as np
import pytest

from centernet_plugin.datasets.transforms import PaperColorJitter
from centernet_plugin.datasets.transforms.paper_color_jitter import (
    EIGENVALUES,
    EIGENVECTORS,
    color_jitter,
)


@pytest.mark.parametrize('order', [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
def test_one_pass_equals_the_steps(order):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)
    factors, lighting = np.array([1.3, 0.7, 0.8]), np.array([0.1, -0.2, 0.05])
    expected = image.astype(np.float64)
    gray = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_BGR2GRAY).astype(np.float64)
    for step in order:
        other = (0, gray.mean(), gray[..., None])[step]
        expected = factors[step] * expected + (1 - factors[step]) * other
    expected += 255 * EIGENVECTORS @ (EIGENVALUES * lighting)
    got = color_jitter(image, np.array(order), factors, lighting)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=1e-3)


def test_neutral_draws_change_nothing():
    image = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    np.testing.assert_allclose(
        PaperColorJitter(strength=0, lighting=0)(dict(img=image))['img'], image
    )


def test_published_draws():
    np.random.seed(0)
    transform = PaperColorJitter()  # its draws hold a weak reference to it
    draws = [transform._draw() for _ in range(500)]
    factors = np.array([factors for _, factors, _ in draws])
    assert 0.6 <= factors.min() < 0.62 and 1.38 < factors.max() <= 1.4
    assert len({tuple(order) for order, _, _ in draws}) == 6
    assert 0.09 < np.std([lighting for _, _, lighting in draws]) < 0.11
