"""Scrambled files of every format: a set, or one sentence."""

import random

import pytest
from box_formats import SET, csv_text, voc_xml, write_images, write_voc_set, write_yolo
from scramble import scramble

from centernet_plugin.datasets.coco import check_coco
from centernet_plugin.datasets.converters import (
    CsvOptions,
    ImageFolder,
    Tally,
    build_coco,
    find_voc,
    find_yolo,
    read_csv,
    read_voc,
    read_yolo,
)
from centernet_plugin.errors import UserInputError

FILES = 400  # of each kind


def check(convert, tally):
    """Whether there was a result; it is COCO's format, with boxes inside of the images."""
    try:
        cocos = build_coco(convert(tally), tally)
    except UserInputError as error:
        message = str(error)
        assert '\n' not in message and 20 < len(message) < 1500, message
        return False
    for coco in cocos.values():
        check_coco(
            coco | dict(images=coco['images'] or [dict(id=0, file_name='', width=1, height=1)])
        )
        sizes = {image['id']: (image['width'], image['height']) for image in coco['images']}
        for ann in coco['annotations']:
            (x, y, w, h), (width, height) = ann['bbox'], sizes[ann['image_id']]
            assert x >= 0 and y >= 0 and w > 0 and h > 0
            assert x + w <= width + 1e-6 and y + h <= height + 1e-6
    assert all(len(line) < 20000 for line in tally.lines())
    return True


def run(path, content, seed, convert, tried):
    """How many of the scrambled contents of one file gave a result."""
    rng, found = random.Random(seed), 0
    tried(FILES)
    for _ in range(FILES):
        path.write_bytes(scramble(content, rng))
        found += check(convert, Tally())
    path.write_bytes(content)
    return found


@pytest.mark.parametrize('header', [False, True])
@pytest.mark.parametrize('relative', [False, True])
def test_csv(images, tmp_path, header, relative, tried):
    path, folder = tmp_path / 'a.csv', ImageFolder(images)
    content = csv_text(header=header, relative=relative).encode()
    options = CsvOptions(relative=relative)
    found = run(path, content, 0, lambda tally: read_csv([path], folder, tally, options), tried)
    assert 40 < found < FILES - 40


YAML = """path: .
train: images
val:
  - train.txt
nc: 3
names: {0: cat, 1: guinea pig, 2: Zurich}
"""


@pytest.mark.parametrize('file', ['labels/a.txt', 'classes.txt', 'data.yaml', 'train.txt'])
def test_yolo(tmp_path, file, tried):
    root = write_yolo(tmp_path)
    (root / 'train.txt').write_text(''.join(f'./images/{name}\n' for name in SET))
    if file == 'data.yaml':
        (root / file).write_text(YAML)
    content = (root / file).read_bytes()
    assert check(lambda tally: read_yolo(find_yolo(root), tally), Tally())
    found = run(root / file, content, 1, lambda tally: read_yolo(find_yolo(root), tally), tried)
    assert 10 < found < FILES - 10


@pytest.mark.parametrize('file', ['Annotations/a.xml', 'ImageSets/Main/train.txt'])
def test_voc(tmp_path, file, tried):
    root = write_voc_set(tmp_path)
    content = (root / file).read_bytes()
    found = run(root / file, content, 2, lambda tally: read_voc(find_voc(root), tally), tried)
    assert 10 < found < FILES - 10


def test_xml_alone(tmp_path, tried):
    write_images(tmp_path)
    path = tmp_path / 'a.xml'
    content = voc_xml('a.jpg', SET['a.jpg'], (60, 40)).encode()
    run(path, content, 3, lambda tally: read_voc(find_voc(tmp_path), tally), tried)


def test_images(tmp_path, tried):
    """Images that are no images count as such."""
    root = write_yolo(tmp_path)
    content = (root / 'images/a.jpg').read_bytes()
    run(root / 'images/a.jpg', content, 4, lambda tally: read_yolo(find_yolo(root), tally), tried)
