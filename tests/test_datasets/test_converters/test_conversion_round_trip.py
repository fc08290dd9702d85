"""Boxes that are written in a format and converted are the same boxes."""

import pytest
from box_formats import CLASSES, SET, SIZES, as_set, csv_text, write_labels, write_xml, write_yolo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from centernet_plugin.datasets.converters import (
    CsvOptions,
    ImageFolder,
    Tally,
    find_voc,
    find_yolo,
    read_csv,
    read_voc,
    read_yolo,
)

QUICK = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def sets(draw, least=1.0):
    """Random boxes in the four images, of at least some pixels, in whole numbers and others."""
    result = {}
    for name, (width, height) in SIZES.items():
        found = result[name] = []
        for _ in range(draw(st.integers(0, 3))):
            whole = draw(st.booleans())
            x1, x2 = draw(interval(width, least, whole))
            y1, y2 = draw(interval(height, least, whole))
            found.append((draw(st.sampled_from(CLASSES)), x1, y1, x2, y2))
    # Boxes of a pixel alone would look like parts of the image.
    result['a.jpg'].append(('cat', 1, 1, 20, 30))
    return result


@st.composite
def interval(draw, side, least, whole):
    if whole:
        low = draw(st.integers(0, side - int(least) - 1))
        return low, draw(st.integers(low + int(least) + 1, side))
    low = draw(st.floats(0, side - 2 * least))
    return low, draw(st.floats(min(low + least, side), side))


def check_same(found, wanted, tolerance=1e-8):
    assert found.keys() == wanted.keys()
    for name, boxes in wanted.items():
        assert [box[0] for box in found[name]] == [box[0] for box in boxes]
        for ours, theirs in zip(found[name], boxes, strict=True):
            assert ours[1:] == pytest.approx(theirs[1:], abs=tolerance)


def silent(tally):
    """Whether nothing was lost."""
    return not tally.boxes and not tally.images


@pytest.mark.parametrize('relative', [False, True])
@pytest.mark.parametrize('header', [False, True])
@QUICK
@given(boxes=sets())
def test_csv(images, tmp_path, boxes, relative, header):
    path = tmp_path / 'set.csv'
    path.write_text(csv_text(boxes, header=header, relative=relative), encoding='utf-8')
    tally = Tally()
    found = read_csv([path], ImageFolder(images), tally, CsvOptions(relative=relative))
    check_same(as_set(found, tally), boxes, 0.002 if relative else 1e-8)
    assert silent(tally)


@pytest.mark.parametrize(('pixels', 'first', 'last'), [('inclusive', 0, -1), ('voc', 1, 0)])
@QUICK
@given(boxes=sets(least=2))
def test_csv_of_inclusive_pixels(images, tmp_path, boxes, pixels, first, last):
    path = tmp_path / 'set.csv'
    path.write_text(csv_text(boxes, first=first, last=last), encoding='utf-8')
    tally = Tally()
    found = read_csv([path], ImageFolder(images), tally, CsvOptions(pixels=pixels))
    check_same(as_set(found, tally), boxes)
    assert silent(tally)


@pytest.fixture(scope='module')
def yolo_root(tmp_path_factory):
    return write_yolo(tmp_path_factory.mktemp('yolo'))


@QUICK
@given(boxes=sets())
def test_yolo(yolo_root, boxes):
    write_labels(yolo_root / 'labels', boxes)
    tally = Tally()
    found = as_set(read_yolo(find_yolo(yolo_root), tally), tally)
    check_same({name.removeprefix('images/'): rows for name, rows in found.items()}, boxes, 0.002)
    assert silent(tally)


@QUICK
@given(boxes=sets(least=2))
def test_voc(images, tmp_path, boxes):
    write_xml(tmp_path, boxes)
    tally = Tally()
    found = read_voc(find_voc(tmp_path, images=images), tally)
    check_same(as_set(found, tally), boxes)
    assert silent(tally)


def test_whole_pixels_stay_whole_where_files_have_six_decimals(yolo_root):
    write_labels(yolo_root / 'labels', SET, digits=6)
    found = as_set(read_yolo(find_yolo(yolo_root), Tally()))
    assert {name.removeprefix('images/'): rows for name, rows in found.items()} == SET


@QUICK
@given(
    numbers=st.lists(st.lists(st.integers(-30, 90), min_size=4, max_size=4), min_size=1, max_size=8)
)
def test_every_box_is_there_or_counted(images, tmp_path, numbers):
    boxes = {name: [] for name in SIZES} | {'a.jpg': [('cat', 5, 5, 20, 20)]}
    boxes['b.PNG'] = [('cat', *corners) for corners in numbers]
    path = tmp_path / 'set.csv'
    path.write_text(csv_text(boxes))
    tally = Tally()
    found = as_set(read_csv([path], ImageFolder(images), tally), tally)
    assert len(found['b.PNG']) + tally.dropped() == len(numbers)
    width, height = SIZES['b.PNG']
    for _, x1, y1, x2, y2 in found['b.PNG']:
        assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
