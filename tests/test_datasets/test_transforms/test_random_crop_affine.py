import cv2
import numpy as np
import pytest
from mmdet.structures.bbox import HorizontalBoxes

from centernet_plugin.datasets.transforms import RandomCropAffine
from centernet_plugin.datasets.transforms.random_crop_affine import resize_window, warp_window


def scene(height=120, width=160):
    """White boxes on black; the truth about them survives any warp."""
    image = np.zeros((height, width, 3), np.uint8)
    boxes = np.array([[20, 30, 60, 70], [90, 10, 130, 50]], np.float32)
    for x1, y1, x2, y2 in boxes.astype(int):
        image[y1:y2, x1:x2] = 255
    return dict(
        img=image,
        img_shape=image.shape[:2],
        gt_bboxes=HorizontalBoxes(boxes),
        gt_bboxes_labels=np.array([0, 1]),
        gt_ignore_flags=np.array([False, True]),
    )


@pytest.mark.parametrize('flips', [(0, 0), (1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize('base', ['longest', 'input'])
@pytest.mark.parametrize('resample', ['warp', 'resize'])
def test_boxes_stay_on_their_objects(flips, base, resample):
    np.random.seed(0)
    transform = RandomCropAffine(
        size=(128, 96),
        flip_prob=flips[0],
        vertical_flip_prob=flips[1],
        scale_base=base,
        resample=resample,
    )
    for _ in range(20):
        results = transform(scene())
        assert results['img'].shape == (96, 128, 3) and results['img_shape'] == (96, 128)
        assert results['flip'] == any(flips)
        seen = np.zeros((96, 128))
        for x1, y1, x2, y2 in results['gt_bboxes'].tensor.numpy():
            low, high = np.clip([[x1, y1], [x2, y2]], 0, [128, 96]).round().astype(int)
            seen[low[1] : high[1], low[0] : high[0]] = 255
        # One pixel around the edges is interpolation, and mirrored edges move by one pixel.
        differs = np.abs(seen - results['img'][..., 0]) > 128
        assert differs.sum() <= 0.02 * differs.size + 3 * (seen > 0).any() * 96


def test_without_boxes_and_with_none_left():
    results = scene()
    for key in ('gt_bboxes', 'gt_bboxes_labels', 'gt_ignore_flags'):
        results.pop(key)
    assert RandomCropAffine(size=(64, 64))(results)['img'].shape == (64, 64, 3)
    results = scene()
    results['gt_bboxes'] = HorizontalBoxes(np.zeros((0, 4), np.float32))
    results['gt_bboxes_labels'] = np.zeros(0, int)
    results['gt_ignore_flags'] = np.zeros(0, bool)
    assert len(RandomCropAffine(size=(64, 64))(results)['gt_bboxes']) == 0


def test_instances_outside_are_dropped_together():
    np.random.seed(1)
    transform = RandomCropAffine(size=(64, 64), scale_base='input', scales=(0.6,), border=16)
    counts = set()
    for _ in range(40):
        results = transform(scene())
        n = len(results['gt_bboxes'])
        assert n == len(results['gt_bboxes_labels']) == len(results['gt_ignore_flags'])
        counts.add(n)
    assert 0 in counts or 1 in counts


def test_centre_keeps_from_the_border():
    np.random.seed(0)
    transform = RandomCropAffine()
    draws = np.array([transform._draw(640, 300)[0] for _ in range(300)])
    assert draws[:, 0].min() >= 128 and draws[:, 0].max() < 300 - 128
    assert draws[:, 1].min() >= 128 and draws[:, 1].max() < 640 - 128
    draws = np.array([transform._draw(200, 257)[0] for _ in range(300)])
    assert draws[:, 0].min() >= 128 and draws[:, 1].min() >= 64
    assert (np.array([transform._draw(1, 1)[0] for _ in range(3)]) == 0).all()


def test_same_seed_same_picture():
    pictures = []
    for _ in range(2):
        np.random.seed(3)
        pictures.append(RandomCropAffine(size=(64, 64))(scene())['img'])
    np.testing.assert_array_equal(*pictures)


def test_boxes_can_be_clipped():
    np.random.seed(0)
    edges = []
    for clip in (False, True):
        transform = RandomCropAffine(size=(96, 64), scales=(0.5,), bbox_clip_border=clip)
        boxes = [transform(scene())['gt_bboxes'].tensor.numpy() for _ in range(20)]
        edges.append(np.concatenate(boxes))
    assert edges[0].min() < 0 and (edges[0] > [96, 64, 96, 64]).any()
    assert edges[1].min() == 0 and (edges[1] <= [96, 64, 96, 64]).all()
    assert (edges[1][:, 2:] > edges[1][:, :2]).all()


def test_unknown_base():
    with pytest.raises(ValueError, match='longest'):
        RandomCropAffine(scale_base='shortest')


def test_flip_is_the_published_one(monkeypatch):
    """The image is mirrored, the window's centre and the box edges go to W - 1 - x."""
    transform = RandomCropAffine(size=(80, 80))
    plain = scene(80, 80)
    draw = (np.array([40, 40], np.float32), 80.0, True, False)
    monkeypatch.setattr(transform, '_draw', lambda height, width: draw)
    before = plain['gt_bboxes'].tensor.numpy().copy()
    image = plain['img'].copy()
    out = transform(plain)
    # The centre moves to 80 - 40 - 1 = 39, so the mirrored picture lies one pixel to the right.
    np.testing.assert_array_equal(out['img'][:, 1:], image[:, ::-1][:, :-1])
    x1, y1, x2, y2 = before[0]
    expected = [79 - x2 + 1, y1, 79 - x1 + 1, y2]
    np.testing.assert_allclose(out['gt_bboxes'].tensor[0].numpy(), expected, atol=1e-4)


@pytest.mark.parametrize(('base', 'length'), [('longest', 640), ('input', 512)])
def test_published_draws(base, length):
    """Eight window sides, of the image's longest side or of the input's; half are flipped."""
    np.random.seed(0)
    transform = RandomCropAffine(scale_base=base)
    draws = [transform._draw(427, 640) for _ in range(400)]
    sides = {round(side / length, 6) for _, side, _, _ in draws}
    assert sides == {0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3}
    assert 0.4 < np.mean([flip for _, _, flip, _ in draws]) < 0.6
    assert not any(vertical for *_, vertical in draws)


def test_what_it_cannot_warp_is_refused():
    with pytest.raises(ValueError, match='not warp gt_masks'):
        RandomCropAffine()(scene() | dict(gt_masks=[]))


def sampled(image, matrix, size):
    """Where the picture lies by the matrix of edges, pixel by pixel: the slow reference."""
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    indices = np.linalg.inv(half) @ np.vstack([matrix, [0, 0, 1]]) @ half  # of pixels, not edges
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    points = np.linalg.inv(indices) @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    image = np.pad(image.astype(np.float64), ((1, 1), (1, 1), (0, 0)))
    limits = np.array(image.shape[1::-1])[:, None] - 2
    points = np.clip(points[:2] + 1, 0, limits + 0.999)
    x, y = points.astype(int)
    u, v = (points % 1)[..., None]
    upper = (1 - u) * image[y, x] + u * image[y, x + 1]
    lower = (1 - u) * image[y + 1, x] + u * image[y + 1, x + 1]
    return ((1 - v) * upper + v * lower).reshape(size[1], size[0], 3)


@pytest.mark.parametrize('flips', [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize('size', [(64, 64), (96, 48), (33, 70)])
@pytest.mark.parametrize('shape', [(50, 70), (71, 43), (1, 1), (1, 90), (200, 3)])
def test_resized_window_is_where_its_matrix_says(shape, size, flips):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    for side in (0.6, 7, 33.3, 63.7, 64, 90.4, 128, 250):
        center = np.array([rng.integers(length) for length in shape[::-1]], np.float32)
        got, matrix = resize_window(image, center, side, size, flips)
        assert got.shape == (size[1], size[0], 3) and got.dtype == np.uint8
        published = warp_window(image, center, side, size, flips)[1]
        # The window is moved, and the mirror is of edges, not of pixel indices.
        scale = size[0] / side
        moved = np.abs(matrix - published)[:, 2].max()
        assert moved <= 0.5 * max(scale, 1) + any(flips) * scale + 1e-3
        np.testing.assert_allclose(matrix[:, :2], published[:, :2], rtol=1e-4, atol=1e-6)
        expected = sampled(image, matrix, size)
        # At the edge of the image one blends with black; at that of the window one ends.
        near = sampled(np.full_like(image, 255), matrix, size)[..., 0] > 254.9
        near[[0, -1]] = near[:, [0, -1]] = False
        margin = int(np.ceil(scale))
        near[:margin] = near[-margin:] = near[:, :margin] = near[:, -margin:] = False
        error = np.abs(got - expected)[near]
        # Warps round positions to 1 / 32 of a pixel, where the size stays.
        assert error.max(initial=0) <= (8 if abs(scale - 1) < 0.05 else 1)


@pytest.mark.parametrize('side', [32, 64, 80, 96, 128])
def test_resized_window_is_the_published_one_but_for_a_shift(side):
    """What of the image is seen, at what size; black where there is none."""
    image = scene()['img']
    center = np.array([70, 50], np.float32)
    got, matrix = resize_window(image, center, side, (64, 64))
    published, theirs = warp_window(image, center, side, (64, 64))
    np.testing.assert_allclose(matrix, theirs, atol=0.5 * max(64 / side, 1))
    shift = 0.5 * (64 / side - 1) + (matrix - theirs)[:, 2:]  # their pixel centres, our move
    moved = cv2.warpAffine(published, np.hstack([np.eye(2), shift]), (64, 64))
    assert (np.abs(got.astype(int) - moved)[2:-2, 2:-2] > 64).mean() < 0.02


def test_resizing_draws_the_same():
    windows = []
    for resample in ('warp', 'resize'):
        np.random.seed(5)
        transform = RandomCropAffine(size=(64, 64), resample=resample)
        windows.append([transform._draw(427, 640)[1:] for _ in range(20)])
    assert windows[0] == windows[1]


def test_unknown_resampling():
    with pytest.raises(ValueError, match="'resize'"):
        RandomCropAffine(resample='nearest')
