import cv2
import numpy as np
import pytest

from centernet_plugin.visualization.draw import class_color
from centernet_plugin.visualization.histograms import draw_histograms
from centernet_plugin.visualization.targets import IGNORED, draw_targets, hatch


@pytest.fixture
def scene():
    """An input of 64 x 48 with two objects, one to be ignored, and its targets."""
    heatmap = np.zeros((2, 12, 16), np.float32)
    heatmap[1, 4, 5] = 1
    ignore = np.zeros((2, 12, 16), np.float32)
    ignore[0, 8:, 12:] = 1
    return dict(
        boxes=np.array([[12, 8, 32, 28], [48, 32, 64, 48]], np.float32),
        labels=np.array([1, 0]),
        ignored=np.array([False, True]),
        heatmap=heatmap,
        cells=np.array([[5, 4]]),
        cell_labels=np.array([1]),
        ignore=ignore,
        panel_size=256,
    )


def has(picture, color):
    return (picture == color).all(-1)


def test_input_and_targets_lie_side_by_side(scene):
    image = np.full((48, 64, 3), 128, np.uint8)
    before = image.copy()
    picture = draw_targets(image, **scene, class_names=('cat', 'dog'))
    assert picture.shape == (192, 2 * 256 + 4, 3) and (image == before).all()
    shown, told = picture[:, :256], picture[:, 260:]
    # Four pixels of the picture to one of the input: a cell has 16.
    square = told[4 * 16 : 5 * 16, 5 * 16 : 6 * 16]
    assert has(square, class_color(1)).all()
    assert told[60, 88, 2] > told[60, 200, 2] + 40, 'the heat glows around it'
    hatched = has(told, IGNORED)
    assert hatched[8 * 16 + 2 :, 12 * 16 + 2 : -2].mean() > 0.1
    assert not hatched[:120].any() and not hatched[:, :180].any()
    for part in (shown, told):
        assert has(part, class_color(1))[:, 12 * 4].sum() >= 70
    assert has(shown, IGNORED)[130:, 192].any(), 'dashed'


def test_a_map_larger_than_the_input_shows_the_padding(scene):
    picture = draw_targets(np.full((40, 60, 3), 255, np.uint8), **scene)
    assert (picture[5, 200] == 255).all() and (picture[175, 20] == 0).all()


def test_no_objects_no_ignored_regions(scene):
    scene |= dict(
        boxes=np.zeros((0, 4)),
        labels=np.zeros(0, int),
        ignored=np.zeros(0, bool),
        heatmap=np.zeros((2, 12, 16)),
        cells=np.zeros((0, 2), int),
        cell_labels=np.zeros(0, int),
        ignore=None,
    )
    image = np.full((48, 64, 3), 90, np.uint8)
    picture = draw_targets(image, **scene)
    assert (picture[:, :256] == 90).all()
    assert not has(picture, IGNORED).any()


def test_boxes_far_outside_do_not_crash(scene):
    scene['boxes'] = np.array([[-1e9, 0, 1e9, 8], [np.nan] * 4])
    scene['cells'] = np.array([[15, 11]])
    draw_targets(np.zeros((48, 64, 3), np.uint8), **scene)


def test_hatch_takes_a_mask_of_any_resolution():
    image = np.zeros((40, 60, 3), np.uint8)
    mask = np.array([[True, False]])
    result = hatch(image, mask, distance=5)
    assert (result[:, 30:] == 0).all() and (image == 0).all()
    assert has(result[:, :30], IGNORED).mean() == pytest.approx(0.2, abs=0.01)


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('number', [0, 1, 3, 200])
def test_histograms_of_few_and_many(tmp_path, number):
    rng = np.random.default_rng(0)
    counts = {f'class {i} with a rather long name': int(1.05**i) for i in range(number)}
    draw_histograms(
        tmp_path / 'a.png',
        class_counts=counts | ({'empty': 0} if number else {}),
        objects_per_image=rng.integers(0, number + 1, 4 * number),
        image_sizes=rng.integers(0, 700, (number, 2)),
        sides={'at test': rng.exponential(9, 5 * number), 'in training': np.zeros(0)},
        max_per_img=100,
        title='title',
    )
    height, width = cv2.imread(str(tmp_path / 'a.png')).shape[:2]
    assert width == 1320 and 700 < height < 1300
