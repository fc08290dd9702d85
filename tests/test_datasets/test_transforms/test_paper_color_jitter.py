import pickle

import cv2
import numpy as np
import pytest
from mmdet.registry import TRANSFORMS

from centernet_plugin.datasets.transforms import PaperColorJitter
from centernet_plugin.datasets.transforms.paper_color_jitter import EIGENVALUES, EIGENVECTORS
from centernet_plugin.datasets.transforms.uncolored_image import UncoloredImage
from centernet_plugin.errors import UserInputError


def step_by_step(image, order, factors, lighting):
    """The jitter as it is written in the paper's code, in float64."""
    result = image.astype(np.float64)
    gray = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_BGR2GRAY).astype(np.float64)
    for step in order:
        other = (0, gray.mean(), gray[..., None])[step]
        result = factors[step] * result + (1 - factors[step]) * other
    return result + 255 * EIGENVECTORS @ (EIGENVALUES * lighting)


def images():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)
    return {
        'noise': noise,
        'one pixel': noise[:1, :1],
        'one row': noise[:1],
        'gray': np.repeat(noise[..., :1], 3, axis=2),
        'white': np.full((4, 5, 3), 255, np.uint8),
        'float': noise.astype(np.float32) / 3,
        'beyond the range': (noise.astype(np.float32) - 100) * 3,
        'flipped view': noise[::-1, ::-1],
        'columns of a larger one': np.repeat(noise, 3, axis=1)[:, 5:12],
    }


def apply(image, draw=None, **options):
    """What comes out, with the colours applied pixel by pixel in float64."""
    transform = PaperColorJitter(**options)
    if draw is not None:
        transform._draw = lambda: draw
    out = transform(dict(img=image))['img']
    if not isinstance(out, UncoloredImage):
        assert out.dtype == np.float32
        return out
    np.testing.assert_array_equal(out.planes, image.transpose(2, 0, 1))
    assert out.planes.dtype == image.dtype and out.matrix.dtype == np.float32
    pixels = out.planes.transpose(1, 2, 0).astype(np.float64)
    return pixels @ out.matrix[:, :3].T.astype(np.float64) + out.matrix[:, 3]


@pytest.mark.parametrize('on_device', [False, True])
@pytest.mark.parametrize('order', [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1), (0, 2, 1)])
@pytest.mark.parametrize('name', images())
def test_one_matrix_equals_the_steps(name, order, on_device):
    image = images()[name]
    draw = np.array(order), np.array([1.3, 0.7, 0.8]), np.array([0.1, -0.2, 0.05])
    before = image.copy()
    got = apply(image, draw, on_device=on_device)
    np.testing.assert_allclose(got, step_by_step(image, *draw), atol=1e-3)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize('on_device', [False, True])
def test_neutral_draws_change_nothing(on_device):
    image = images()['noise']
    got = apply(image, strength=0, lighting=0, on_device=on_device)
    np.testing.assert_allclose(got, image, atol=1e-4)


def test_published_draws():
    np.random.seed(0)
    transform = PaperColorJitter()  # its draws hold a weak reference to it
    draws = [transform._draw() for _ in range(500)]
    factors = np.array([factors for _, factors, _ in draws])
    assert 0.6 <= factors.min() < 0.62 and 1.38 < factors.max() <= 1.4
    assert len({tuple(order) for order, _, _ in draws}) == 6
    assert 0.09 < np.std([lighting for _, _, lighting in draws]) < 0.11


def test_same_draws_wherever_they_are_applied():
    got = []
    for on_device in (False, True):
        np.random.seed(3)
        got.append(apply(images()['noise'], on_device=on_device))
    np.testing.assert_allclose(*got, atol=1e-3)


@pytest.mark.parametrize(
    'step',
    [
        dict(type='mmdet.PackDetInputs', meta_keys=()),
        dict(type='mmdet.Pad', size=(20, 20)),
        dict(type='mmdet.Resize', scale=(20, 20)),
        dict(type='mmdet.RandomFlip', prob=1.0),
        dict(type='centernet_plugin.RandomCropAffine', size=(20, 20)),
        dict(type='centernet_plugin.PaperColorJitter', on_device=True),
    ],
    ids=lambda step: step['type'],
)
def test_no_other_step_takes_the_image_for_finished(step):
    results = dict(img=images()['noise'], img_shape=(9, 11))
    results = PaperColorJitter(on_device=True)(results)
    with pytest.raises(UserInputError, match='centernet_plugin.PackDetInputs'):
        TRANSFORMS.build(step)(results)


def test_numpy_does_not_take_it_either():
    results = PaperColorJitter(on_device=True)(dict(img=images()['noise']))
    with pytest.raises(UserInputError):
        np.asarray(results['img'])
    copy = pickle.loads(pickle.dumps(results['img']))
    np.testing.assert_array_equal(copy.matrix, results['img'].matrix)
