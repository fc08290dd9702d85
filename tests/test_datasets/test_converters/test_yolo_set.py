from pathlib import Path

import pytest
from box_formats import (
    CLASSES,
    SET,
    SIZES,
    as_set,
    write_images,
    write_labels,
    write_yolo,
    yolo_lines,
)

from centernet_plugin.datasets.converters import Tally, find_yolo, read_yolo
from centernet_plugin.errors import UserInputError

NAMES = 'names: [cat, guinea pig, Zürich]\n'


@pytest.fixture
def root(tmp_path):
    return write_yolo(tmp_path / 'set')


def read(root, tally=None, names=None):
    """The set, whatever folder its images are in, and the names of its splits."""
    tally = tally or Tally()
    boxes = read_yolo(find_yolo(root, names), tally)
    found = as_set(boxes, tally)
    return {Path(name).name: rows for name, rows in found.items()}, list(boxes.splits)


def lay_out(root, folder):
    """Images and labels where ``folder(kind, split)`` says; the first two are to train on."""
    (root / 'classes.txt').parent.mkdir(parents=True)
    (root / 'classes.txt').write_text('\n'.join(CLASSES), encoding='utf-8')
    for split, names in (('train', list(SET)[:2]), ('val', list(SET)[2:])):
        part = {name: SET[name] for name in names}
        write_images(root / folder('images', split), {name: SIZES[name] for name in names})
        write_labels(root / folder('labels', split), part)
    return root


@pytest.mark.parametrize(
    'folder', ['{kind}/{split}', '{split}/{kind}', '{split}'], ids=['inside', 'above', 'together']
)
def test_splits_are_folders(tmp_path, folder):
    root = lay_out(tmp_path / 'set', lambda kind, split: folder.format(kind=kind, split=split))
    assert read(root) == (SET, ['train', 'val'])


def test_one_folder(root, tmp_path):
    assert read(root) == (SET, ['all'])
    flat = tmp_path / 'flat'
    write_images(flat)
    write_labels(flat)
    (flat / 'obj.names').write_text('\n'.join(CLASSES) + '\n\n', encoding='utf-8')
    assert read(flat) == (SET, ['all'])


@pytest.mark.parametrize(
    'text',
    [
        'train: images/train\nval: images/val\n' + NAMES,
        'path: {root}\ntrain: images/train\nval: [images/val]\nnc: 3\n' + NAMES,
        'path: ../datasets/gone\ntrain: ../images/train\nval: ..\\images\\val\n' + NAMES,
        'train: images/train/\nval: images/val\nnames:\n  2: Zürich\n  0: cat\n  1: guinea pig\n',
        '\ufefftrain: ./images/train\r\nvalid: images/val\r\ntest:\r\n' + NAMES,
    ],
)
def test_data_yaml(tmp_path, text):
    root = lay_out(tmp_path / 'set', lambda kind, split: f'{kind}/{split}')
    (root / 'classes.txt').unlink()
    path = root / 'data.yaml'
    path.write_text(text.format(root=root) if '{root}' in text else text, encoding='utf-8')
    assert read(root) == (SET, ['train', 'val'])
    assert read(path) == (SET, ['train', 'val'])
    other = path.rename(tmp_path / 'set/cats.yaml')
    assert read(root, names=other) == (SET, ['train', 'val'])


def test_lists(root):
    names = list(SET)
    lines = [f'./images/{names[0]}', f'D:\\set\\images\\{names[1]}', f'images/{names[0]}', '']
    (root / 'train.txt').write_text('\r\n'.join(lines))
    (root / 'val.txt').write_text(f'/elsewhere/set/images/{names[2]}\n{root}/images/{names[3]}\n')
    tally = Tally()
    assert read(root, tally) == (SET, ['train', 'val'])
    assert tally.notes['images that are listed twice, taken once'].number == 1


def test_the_same_image_by_two_paths_of_a_relative_folder(root, monkeypatch):
    monkeypatch.chdir(root.parent)
    (root / 'train.txt').write_text(f'images/a.jpg\n{root}/images/a.jpg\n../set/images/a.jpg\n')
    tally = Tally()
    (entry,) = read_yolo(find_yolo('set'), tally).splits['train']
    assert len(entry.boxes) == len(SET['a.jpg'])
    assert tally.notes['images that are listed twice, taken once'].number == 2


@pytest.mark.parametrize(
    ('names', 'classes'),
    [
        ('[yes, no, 010]', ['yes', 'no', '010']),
        ('\n- 1_000\n- 2001-01-01\n- "on"', ['1_000', '2001-01-01', 'on']),
        ('{0: off, "2": 1e3, 1: null}', ['off', 'null', '1e3']),
    ],
)
def test_names_are_as_written(root, names, classes):
    """Not what YAML makes of them."""
    (root / 'data.yaml').write_text(f'names: {names}\nnc: 3\n')
    assert find_yolo(root).names == classes


def test_a_test_set_that_is_not_there_is_noted(root):
    text = 'train: ../images\nval: images\ntest: ../test/images\n' + NAMES
    (root / 'data.yaml').write_text(text, encoding='utf-8')
    tally = Tally()
    assert read(root, tally) == (SET, ['train', 'val'])
    assert any(
        "with that are not there, left out: 1 ('../test/images' of" in x for x in tally.lines()
    )


def test_outlines_and_joints(root):
    label = root / 'labels/a.txt'
    label.write_text('0 0.5 0.25 0.75 0.5 0.5 0.5\n1 0.1 0.2 0.3 0.2 0.3 0.5 0.1 0.5\n')
    found, _ = read(root)
    assert found['a.jpg'] == [('cat', 30, 10, 45, 20), ('guinea pig', 6, 8, 18, 20)]
    joints = ' 0.5 0.5 2' * 2
    label.write_text(f'0 0.5 0.5 0.5 0.5{joints}\n')
    (root / 'data.yaml').write_text('kpt_shape: [2, 3]\n' + NAMES, encoding='utf-8')
    found, _ = read(root)
    assert found['a.jpg'] == [('cat', 15, 10, 45, 30)]


def test_images_without_label_have_no_objects_and_labels_without_image_are_counted(root):
    (root / 'labels/empty.txt').unlink()
    (root / 'images/a.jpg').unlink()
    (root / 'images/b.PNG').write_bytes(b'not an image')
    tally = Tally()
    found, _ = read(root, tally)
    assert found == {name: SET[name] for name in ('c d.jpeg', 'empty.bmp')}
    assert tally.notes['images without a label file, taken as without objects'].number == 1
    assert tally.boxes['of an image that is not there'].number == 2
    assert tally.boxes['of an image that is not readable'].number == 1
    assert {why: count.number for why, count in tally.images.items()} == {
        'not there': 1,
        'not readable': 1,
    }


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('3 0.5 0.5 0.1 0.1', "line 2 of .*a.txt. has the class '3', but .* names 3, 0 to 2"),
        ('-1 0.5 0.5 0.1 0.1', "the class '-1'"),
        ('0.5 0.5 0.5 0.1 0.1', "the class '0.5'"),
        ('cat 0.5 0.5 0.1 0.1', "line 2 .* has 'cat' where a number"),
        ('0 0.5 0.5 0.1', 'line 2 .* has 4 numbers; a box is class, x, y, width, height'),
        ('0 0.5 0.5 0.1 0.1 0.9', 'a box with a score'),
        ('0 0.5 0.5 0.1 nan', "'nan' where a number"),
        ('0 30 20 10 10', 'has 30; .* divide pixels'),
    ],
)
def test_malformed_labels_are_named(root, line, message):
    (root / 'labels/a.txt').write_text(f'0 0.5 0.5 0.1 0.1\n{line}\n')
    with pytest.raises(UserInputError, match=message):
        read(root)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('names: [cat\ntrain: x', 'line 2 of .*data.yaml. is not YAML'),
        ('- cat', "no 'names:' and 'train:'"),
        ('names: cat', 'is no list of names'),
        ('names: {1: cat, 2: dog}', 'not numbered 0 to 1'),
        ('names: [cat, cat]', "the class 'cat' twice"),
        ('names: [cat, ""]', 'class 1 .* has no name'),
        ('names: [cat, [dog]]', 'is no list of names'),
        ('names: []', 'names no class'),
        ('nc: 80\n' + NAMES, "says nc: '80' and has 3 names"),
        ('train: gone\n' + NAMES, "train: 'gone', which is not in"),
        ('val: [images, gone]\n' + NAMES, "val: 'gone', which is not in"),
        ('train: {a: 1}\n' + NAMES, "'train' of .* is no path"),
        ('train: data.yaml\n' + NAMES, 'neither a folder of images nor a list'),
        ('train: labels\n' + NAMES, 'no image in'),
        ('kpt_shape: 17\n' + NAMES, 'no pair of numbers'),
        ('date: 2001-99-99\n' + NAMES, 'is not YAML'),
    ],
)
def test_malformed_data_yaml_is_named(root, text, message):
    (root / 'data.yaml').write_text(text, encoding='utf-8')
    with pytest.raises(UserInputError, match=message):
        read(root)


def test_missing_parts_are_named(root, tmp_path):
    with pytest.raises(UserInputError, match="folder '.*nowhere' does not exist"):
        read(tmp_path / 'nowhere')
    with pytest.raises(UserInputError, match="nowhere.yaml' does not exist"):
        read(tmp_path / 'nowhere.yaml')
    for path in (root / 'labels').iterdir():
        path.unlink()
    with pytest.raises(UserInputError, match="no image has a label file: .*labels/a.txt'"):
        read(root)
    (root / 'classes.txt').unlink()
    with pytest.raises(UserInputError, match='no data.yaml, classes.txt, .* --names FILE'):
        read(root)
    (root / 'classes.txt').write_text('a\n')
    (root / 'train.txt').write_text('images/gone.jpg\n')
    with pytest.raises(UserInputError, match='none of 1 listed image is there: .*gone.jpg'):
        read(root)


def test_images_elsewhere(root, tmp_path):
    """File names count from the folder that has all of it."""
    other = write_images(tmp_path / 'other/images', {'z.jpg': (50, 50)})
    (tmp_path / 'other/labels').mkdir()
    (tmp_path / 'other/labels/z.txt').write_text(yolo_lines([('cat', 0, 0, 10, 10)], (50, 50)))
    text = f'train: [images, {other}]\n{NAMES}'
    (root / 'data.yaml').write_text(text, encoding='utf-8')
    boxes = read_yolo(find_yolo(root), Tally())
    assert boxes.folder == str(tmp_path)
    assert {entry.file_name for entry in boxes.splits['train']} == {
        'other/images/z.jpg',
        *(f'set/images/{name}' for name in SET),
    }
