"""Right, false and missed in their colours; odd shapes; the plots' files."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from centernet_plugin.errors import UserInputError
from centernet_plugin.evaluation import Analysis, Detections, GroundTruth
from centernet_plugin.visualization import contact_sheet, draw_boxes
from centernet_plugin.visualization.gallery import draw_gallery, picture_name
from centernet_plugin.visualization.outcome import (
    FALSE,
    IGNORED,
    MISSED,
    RIGHT,
    outcome_card,
    outcome_tile,
)
from centernet_plugin.visualization.plots import plot_classes, plot_precision_recall, plot_scores

TRUTH = dict(
    boxes=[[20, 20, 60, 60], [80, 20, 110, 60], [20, 70, 110, 85]],
    labels=[0, 1, 1],
    verdicts=['found', 'not found', 'ignored'],
    ious=[0.9, 0, 0],
    scores=[0.8, np.nan, np.nan],
)
FOUND = dict(
    boxes=[[22, 22, 60, 60], [85, 5, 115, 15]],
    labels=[0, 1],
    verdicts=['right', 'background'],
    ious=[0.9, 0],
    scores=[0.8, 0.4],
)
NOTHING = dict(boxes=np.zeros((0, 4)), labels=[], verdicts=[], ious=[], scores=[])


@pytest.fixture
def image():
    return np.full((90, 120, 3), 128, np.uint8)


def has(picture, color):
    return bool((picture == color).all(axis=-1).sum() > 20)


def test_card_has_each_colour_in_its_panel(image):
    card = outcome_card(image, TRUTH, FOUND, np.zeros((9, 12)), ['a', 'b'], threshold=0.3)
    third = card.shape[1] // 3
    body = card[40:-60]  # between captions and legend
    truth, found, heat = body[:, :third], body[:, third : 2 * third], body[:, 2 * third :]
    assert has(truth, RIGHT) and has(truth, MISSED) and has(truth, IGNORED)
    assert not has(truth, FALSE)
    assert has(found, RIGHT) and has(found, FALSE)
    assert not has(found, MISSED)
    assert not any(has(heat, color) for color in (RIGHT, FALSE, MISSED, IGNORED))
    assert all(has(card[-60:], color) for color in (RIGHT, FALSE, MISSED, IGNORED))


@pytest.mark.parametrize('verdict', ['duplicate', 'wrong class', 'poor box', 'wrong class and box'])
def test_all_that_is_false_is_in_one_colour(image, verdict):
    found = dict(FOUND, verdicts=['right', verdict])
    card = outcome_card(image, NOTHING, found, None, ['a', 'b'], threshold=0.3)
    assert has(card[40:-60], FALSE)


@pytest.mark.parametrize('shape', [(20, 300), (300, 20), (1, 1), (64, 64)])
def test_odd_images(shape):
    image = np.zeros((*shape, 3), np.uint8)
    for truth, found in ((NOTHING, NOTHING), (TRUTH, FOUND)):
        card = outcome_card(image, truth, found, np.ones((3, 3)), ['a'], title='x', threshold=0.3)
        assert 300 < max(card.shape) < 5000
        assert outcome_tile(image, truth, found).shape == (360, 480, 3)


def test_panels_of_a_wide_image_lie_below_each_other():
    wide, square = (np.zeros((100, w, 3), np.uint8) for w in (210, 200))
    cards = [outcome_card(i, NOTHING, NOTHING, threshold=0.3) for i in (wide, square)]
    assert [card.shape[0] > 900 for card in cards] == [True, False]
    assert [card.shape[1] > 1900 for card in cards] == [False, True]


def test_tile_shows_a_found_object_once(image):
    tile = outcome_tile(image, TRUTH, FOUND, size=(120, 90))
    assert has(tile, RIGHT) and has(tile, FALSE) and has(tile, MISSED) and has(tile, IGNORED)
    assert (tile[40, 22] == RIGHT).all()
    assert not (tile[40, 18:21] == RIGHT).all(axis=-1).any(), 'the detection, not the truth'


def test_dashed_lines_have_gaps_and_given_colours(image):
    color = (1, 2, 3)
    rows = [[10, 10, 110, 80]]
    full = draw_boxes(image, rows, [0], class_names=[''], colors=[color])
    dashed = draw_boxes(image, rows, [0], class_names=[''], colors=[color], dashed=[True])
    length = [int((picture[10] == color).all(-1).sum()) for picture in (full, dashed)]
    assert length[0] > 95 and 0.3 * length[0] < length[1] < 0.8 * length[0]
    for y, x in ((10, 10), (80, 110)):
        assert (dashed[y, x] == color).all(), 'corners are drawn'


def test_names_that_would_overlap_are_left_out():
    canvas = np.zeros((300, 300, 3), np.uint8)
    boxes, labels = [[100, 100, 200, 200]] * 9, list(range(9))
    names = [f'class {i}' for i in labels]
    plates = []
    for crowded in (np.inf, 0):
        args = dict(scores=np.linspace(1, 0.1, 9), class_names=names, thickness=1)
        picture = draw_boxes(canvas, boxes, labels, crowded=crowded, **args)
        plates.append(int((picture.max(-1) > 0).sum()))
    assert 0.4 * plates[0] < plates[1] < plates[0]


def test_sheet_with_title_and_legend(image):
    plain = contact_sheet([image] * 3, columns=3)
    titled = contact_sheet([image] * 3, columns=3, title='x', legend=[('right', RIGHT)])
    assert titled.shape[1] == plain.shape[1] and titled.shape[0] > plain.shape[0]
    assert has(titled[:40], RIGHT) and not has(titled[40:], RIGHT)
    # Without room for both, the legend has a line of its own.
    long = contact_sheet([image] * 3, title='x' * 60, legend=[('right', RIGHT)])
    assert long.shape[0] > titled.shape[0] and has(long[:40], RIGHT)


def analysis_of(folder):
    for i in range(3):
        cv2.imwrite(str(folder / f'{i} ä.png'), np.full((90, 120, 3), 128, np.uint8))
    box = np.array([[10, 10, 50, 50.0]])
    truth = GroundTruth(
        ids=[0, 1, 2],
        paths=[str(folder / f'{i} ä.png') for i in range(3)],
        classes=('a', 'b'),
        images=np.array([0, 1]),
        boxes=box[[0, 0]],
        labels=np.array([0, 1]),
        areas=np.array([2500.0, 2500]),
        ignored=np.zeros(2, bool),
    )
    found = Detections(np.array([0]), box, np.array([0]), np.array([0.9]))
    return Analysis.of(truth, found)


def test_gallery(tmp_path):
    analysis = analysis_of(tmp_path)
    rows = analysis.image_rows()
    asked = []
    for chosen in (rows, rows[:1]):
        paths = draw_gallery(analysis, chosen, tmp_path, 'worst', asked.append)
    assert asked == [1, 0, 1]
    assert [p.name for p in paths] == ['01_f1-0.000_1_ä.png']
    assert list((tmp_path / 'worst').iterdir()) == paths, 'those of before are gone'
    assert cv2.imread(str(tmp_path / 'worst.png')).shape[0] > 360
    assert draw_gallery(analysis, [], tmp_path, 'worst') == []
    assert not (tmp_path / 'worst.png').exists()
    (tmp_path / '1 ä.png').write_text('no image')
    with pytest.raises(UserInputError, match="image '.*1 ä.png' is not readable"):
        draw_gallery(analysis, rows, tmp_path, 'worst')


def test_picture_name():
    assert picture_name(3, 0.41249, Path('a/b c:d.jpg')) == '03_f1-0.412_b_c_d.png'
    assert len(picture_name(1, 1, Path('x' * 200 + '.jpg'))) < 100


@pytest.mark.parametrize('count', [1, 3, 12])
def test_plots(tmp_path, count):
    recalls = np.linspace(0, 1, 101)
    curves = np.clip(1.2 - np.outer(np.linspace(1, 2, count), recalls), 0, 1)
    curves[-1] = np.nan  # a class without objects; with one class, nothing to draw at all
    names = [f'class {i}' for i in range(count)]
    both = {'IoU 0.50': curves, 'IoU 0.75': curves / 2}
    plot_precision_recall(tmp_path / 'a.png', recalls, both, names, np.arange(count))
    plot_classes(tmp_path / 'b.png', recalls, both, names)
    for name in 'ab':
        assert np.ptp(cv2.imread(str(tmp_path / f'{name}.png'))) > 100


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('scores', [[], [0.0, 1.0, 0.5, np.nan, 2.0]])
def test_plot_of_scores(tmp_path, scores):
    plot_scores(tmp_path / 'a.png', np.array(scores), np.array([]), 0.3)
    picture = cv2.imread(str(tmp_path / 'a.png'))
    assert has(picture, (255, 160, 70)) and np.ptp(picture) > 100
