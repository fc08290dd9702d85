"""Annotation files of COCO's and VOC's format, sound and broken."""

import json

import cv2
import numpy as np
import pytest
from tiny_set import LOAD, PACK, resize

from centernet_plugin.datasets.inspection.check import Options, check_split
from centernet_plugin.datasets.inspection.raw_coco import read_coco
from centernet_plugin.datasets.inspection.raw_voc import parse_xml, read_voc
from centernet_plugin.datasets.inspection.split import read_split
from centernet_plugin.errors import UserInputError

XML = """<annotation><size><width>64</width><height>48</height></size>{}</annotation>"""
OBJECT = """<object><name>{}</name><difficult>{}</difficult><bndbox>
<xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"""


def test_coco(tiny):
    tiny.add([1, 2, 3, 4], image=77, category=9, iscrowd=1, ignore=True, area='nothing')
    tiny.write()
    raw = read_coco(str(tiny.root / 'ann.json'), 'folder')
    assert raw.table.paths[1] == 'folder/01.jpg' and raw.table.classes == ('cat', 'dog')
    assert raw.table.boxes[1].tolist() == [56, 8, 86, 28]
    assert raw.table.image[4] == 1 and raw.table.labels[:4].tolist() == [0, 0, 1, 1]
    assert (raw.table.image[-1], raw.table.labels[-1]) == (-1, -1)
    assert raw.table.ignored.sum() == raw.marked.sum() == np.isnan(raw.area).sum() == 1
    assert (raw.unknown_images, raw.unknown_categories) == ([77], [9])
    assert raw.findings == []


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('', 'is not JSON'),
        ('{"images": [{"id": 1}, {"i', 'it breaks off: copy it again'),
        ('{"images": [}', r'is not JSON: Expecting value: line 1 column 13 \(char 12\)$'),
        ('[1, 2]', 'is not a COCO annotation file'),
        ('{"images": {}, "categories": []}', "no list 'images' of objects"),
        ('{"images": [], "categories": [3]}', "no list 'categories' of objects"),
        ('{"images": [{"id": []}], "categories": []}', 'an id is neither a number nor text'),
    ],
)
def test_files_that_are_not_coco(tmp_path, text, sentence):
    path = tmp_path / 'ann.json'
    path.write_text(text)
    with pytest.raises(UserInputError, match=sentence):
        read_coco(str(path))
    path.write_bytes(b'\xff\xd8\xff\xe0' + text.encode())
    with pytest.raises(UserInputError, match='is not JSON'):
        read_coco(str(path))
    with pytest.raises(UserInputError, match='does not exist'):
        read_coco(str(tmp_path / 'no.json'))


def test_every_repeated_id_is_named(tiny):
    tiny.data['images'].append(tiny.data['images'][0])
    tiny.data['annotations'] += tiny.data['annotations'][:2]
    tiny.data['categories'].append(tiny.data['categories'][0])
    tiny.write()
    found = {f.key: f.count for f in read_coco(str(tiny.root / 'ann.json')).findings}
    assert found == {
        'repeated-image-id': 1,
        'repeated-annotation-id': 2,
        'repeated-category-id': 1,
        'repeated-category-name': 1,
    }


@pytest.fixture
def voc(tmp_path, tiny):
    """A set in VOC's layout, the years' folders and the config of ``tiny`` for it."""
    objects = {
        'a': [('cat', 0, 1, 1, 20, 10), ('dog', 1, 31, 21, 60, 40.7)],
        'b': [('dog', 0, 5, 5, 5, 9), ('fish', 0, 5, 5, 15, 15), ('cat', 0, 41, 31, 66, 49)],
    }
    for year, names in (('VOC2007', 'ab'), ('VOC2012', 'a')):
        for folder in ('Annotations', 'JPEGImages', 'ImageSets/Main'):
            (tmp_path / year / folder).mkdir(parents=True)
        for name in names:
            text = XML.format(''.join(OBJECT.format(*row) for row in objects[name]))
            (tmp_path / f'{year}/Annotations/{name}.xml').write_text(text)
            image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
            cv2.imwrite(str(tmp_path / f'{year}/JPEGImages/{name}.jpg'), image)
        (tmp_path / f'{year}/ImageSets/Main/train.txt').write_text('\n'.join(names) + '\n')
    part = dict(
        type='mmdet.VOCDataset',
        data_root=str(tmp_path),
        ann_file='VOC2007/ImageSets/Main/train.txt',
        data_prefix=dict(sub_data_root='VOC2007/'),
        metainfo=dict(classes=('cat', 'dog')),
        pipeline=[*LOAD, resize(96), PACK],
    )
    later = {k: v.replace('2007', '2012') if k == 'ann_file' else v for k, v in part.items()}
    later['data_prefix'] = dict(sub_data_root='VOC2012/')
    tiny.config.train_dataloader = dict(
        batch_size=1,
        dataset=dict(
            type='mmdet.ConcatDataset', ignore_keys=['dataset_type'], datasets=[part, later]
        ),
    )
    return tiny


def test_voc(voc):
    root = voc.root / 'VOC2007'
    raw = read_voc(str(root / 'ImageSets/Main/train.txt'), str(root))
    assert raw.table.paths == [f'{root}/JPEGImages/{name}.jpg' for name in 'ab']
    assert raw.table.classes == ('cat', 'dog', 'fish')
    assert raw.table.labels.tolist() == [0, 1, 1, 2, 0]
    assert raw.table.boxes[1].tolist() == [30, 20, 59, 39], 'cut to integers, and one less'
    assert raw.table.ignored.tolist() == [False, True, False, False, False]
    assert raw.table.sizes.tolist() == [[64, 48]] * 2


def test_check_of_voc(voc):
    check = check_split(voc.config, 'train', Options(num_classes=2), num_samples=6)
    assert {f.key: f.count for f in check.findings} == {
        'unnamed-class': 1,
        'no-extent': 1,
        'over-border': 1,
        'rare-class': 2,
    }
    table = check.split.table
    assert len(table) == 3 and check.unnamed == {'fish': 1}
    assert check.split.dropped == {'its class is not in the config': 1}
    assert table.ignored.sum() == 2
    assert [path[-20:] for path in table.paths[1:]] == [
        'VOC2007/JPEGImages/b.jpg'[-20:],
        'VOC2012/JPEGImages/a.jpg'[-20:],
    ]


def test_broken_voc(voc):
    folder = voc.root / 'VOC2007/Annotations'
    (folder / 'a.xml').write_text(XML.format('<object><name>cat</name></object>'))
    (folder / 'b.xml').unlink()
    split = read_split(voc.config.train_dataloader.dataset)
    found = {f.key: f for f in split.findings}
    assert set(found) == {'missing-xml', 'broken-xml', 'load'}
    assert found['broken-xml'].examples == (f'{folder}/a.xml: an object without bndbox',)
    assert found['missing-xml'].examples == (f'{folder}/b.xml',)
    assert split.dataset is None and len(split.table) == 3, 'the files are looked at all the same'
    (voc.root / 'VOC2012/ImageSets/Main/train.txt').unlink()
    with pytest.raises(UserInputError, match="train.txt', the list of the images"):
        read_split(voc.config.train_dataloader.dataset)


def test_xml_without_size_or_name():
    assert parse_xml('<annotation/>') == ((0, 0), [])
    with pytest.raises(ValueError, match='without name'):
        parse_xml(XML.format('<object><bndbox/></object>'))


def test_a_coco_file_without_annotations(tiny):
    del tiny.data['annotations']
    tiny.write()
    assert len(read_coco(str(tiny.root / 'ann.json')).table.boxes) == 0
    assert json.loads((tiny.root / 'ann.json').read_text()).keys() == {'images', 'categories'}
