"""Reduced decoding: what is seen lies where full decoding has it."""

import cv2
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmdet.registry import TRANSFORMS
from PIL import Image

from centernet_plugin.datasets.transforms import LoadEncodedImage, RandomCropAffine
from centernet_plugin.datasets.transforms.load_encoded_image import EncodedImage, read_header
from centernet_plugin.errors import UserInputError

MARKS = [(0.2, 0.3), (0.5, 0.5), (0.81, 0.62), (0.33, 0.84)]  # of width and height
RADIUS = 24.0


def draw(height, width):
    """Soft white marks on black, and boxes around them."""
    y, x = np.mgrid[:height, :width] + 0.5  # pixel centres
    centers = np.array(MARKS) * (width, height)
    near = [np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 2 / (RADIUS / 3) ** 2) for cx, cy in centers]
    image = np.repeat((255 * np.max(near, axis=0))[..., None], 3, axis=2).astype(np.uint8)
    return image, np.hstack([centers - RADIUS, centers + RADIUS]).astype(np.float32)


@pytest.fixture
def save(tmp_path):
    def write(image, orientation=1, suffix='.jpg'):
        path = str(tmp_path / f'image{suffix}')
        exif = Image.Exif()
        exif[0x0112] = orientation
        options = dict(exif=exif, quality=95) if suffix == '.jpg' else {}
        Image.fromarray(image).save(path, **options)
        return path

    return write


def crop(path, boxes, *, loader=LoadEncodedImage, side, flips=(False, False), **options):
    results = loader()(dict(img_path=path, gt_bboxes=boxes.copy()))
    transform = RandomCropAffine(size=(128, 128), **dict(resample='resize') | options)
    height, width = results['img_shape']
    center = np.array([width // 2 + 3, height // 2 - 2], np.float32)
    transform._draw = lambda height, width: (center.copy(), float(side), *flips)
    return transform(results)


def marks_found(image, boxes):
    """Centres of mass within the boxes. (N, 2)"""
    found = []
    y, x = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    for x1, y1, x2, y2 in boxes:
        near = (x > x1) & (x < x2) & (y > y1) & (y < y2)
        weight = image[..., 0] * near.astype(float)
        found.append([(weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()])
    return np.array(found)


@pytest.mark.parametrize('flips', [(False, False), (True, True)])
@pytest.mark.parametrize('shape', [(512, 512), (501, 503), (515, 389), (397, 520)])
@pytest.mark.parametrize(
    ('side', 'factor'), [(255, 1), (256, 2), (480, 2), (520, 4), (600.7, 4), (1024, 8), (1500, 8)]
)
def test_marks_lie_in_their_boxes(save, shape, side, factor, flips):
    image, boxes = draw(*shape)
    path = save(image)
    encoded = LoadEncodedImage()(dict(img_path=path))['img']
    assert encoded.full_shape == shape and encoded.decode(side / 128)[1] == factor
    out = crop(path, boxes, side=side, flips=flips)
    assert out['img'].shape == (128, 128, 3) and out['scale_factor'] == (128 / side,) * 2
    middle = (out['gt_bboxes'][:, :2] + out['gt_bboxes'][:, 2:]) / 2
    inside = (out['gt_bboxes'][:, :2] > 1).all(1) & (out['gt_bboxes'][:, 2:] < 127).all(1)
    assert inside.any()
    error = np.abs(marks_found(out['img'], out['gt_bboxes']) - middle)[inside]
    assert error.max() < 0.15  # output pixels
    full = crop(path, boxes, loader=LoadImageFromFile, side=side, flips=flips)
    shift = np.abs(full['gt_bboxes'] - out['gt_bboxes'])
    assert shift.max() <= 1.01, 'both move the window by half a pixel at most'


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('shape', [(512, 480), (501, 483)])
def test_images_are_turned_as_exif_says(save, shape, orientation):
    image, _ = draw(*shape)
    image[:, : shape[1] // 4] = 200  # turns and mirrors differ
    path = save(image, orientation)
    full = LoadImageFromFile()(dict(img_path=path))
    ours = LoadEncodedImage()(dict(img_path=path))
    assert ours['ori_shape'] == ours['img_shape'] == full['img_shape']
    reduced, factor = ours['img'].decode(4)
    # What is no multiple is only reduced where no partial pixel gets to the left or top.
    assert factor == (1 if orientation > 1 and shape[1] % 2 else 4)
    expected = cv2.resize(full['img'], reduced.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(expected.astype(int) - reduced).mean() < 4


def test_other_files_and_warps_are_decoded_in_full(save):
    image, boxes = draw(300, 400)
    png = save(image, suffix='.png')
    assert isinstance(LoadEncodedImage()(dict(img_path=png))['img'], np.ndarray)
    jpg = save(image)
    for options in (dict(resample='warp'), dict(resample='resize')):
        side = 300 if options['resample'] == 'warp' else 100
        ours = crop(jpg, boxes, side=side, **options)
        full = crop(jpg, boxes, side=side, loader=LoadImageFromFile, **options)
        np.testing.assert_array_equal(ours['img'], full['img'])
        np.testing.assert_array_equal(ours['gt_bboxes'], full['gt_bboxes'])


def test_a_header_that_lies_is_not_believed(save):
    """As where OpenCV and PIL do not agree about EXIF."""
    image, boxes = draw(300, 400)
    path = save(image)
    results = LoadEncodedImage()(dict(img_path=path, gt_bboxes=boxes))
    results['img'].full_shape = (400, 300)
    sizes = []
    transform = RandomCropAffine(size=(64, 64), resample='resize')
    draw_window = transform._draw
    transform._draw = lambda *size: sizes.append(size) or draw_window(*size)
    out = transform(results)
    assert sizes == [(400, 300), (300, 400)] and out['ori_shape'] == (300, 400)


def test_broken_files_are_named(save, tmp_path):
    assert read_header(b'\xff\xd8\xff\xe0 nonsense') is None
    path = save(draw(300, 400)[0])
    results = LoadEncodedImage()(dict(img_path=path))
    results['img'] = EncodedImage(b'nonsense', (300, 400), True, 'a.jpg')
    with pytest.raises(UserInputError, match=r"'a\.jpg'"):
        RandomCropAffine(resample='resize')(results)


def test_no_other_step_takes_it_for_an_image(save):
    results = LoadEncodedImage()(dict(img_path=save(draw(300, 400)[0])))
    for step in (
        dict(type='mmdet.Resize', scale=(20, 20)),
        dict(type='centernet_plugin.KeepResPad'),
        dict(type='mmdet.PackDetInputs', meta_keys=()),
    ):
        with pytest.raises(UserInputError, match='RandomCropAffine'):
            TRANSFORMS.build(step)(dict(results))
