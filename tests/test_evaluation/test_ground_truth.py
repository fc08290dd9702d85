"""Objects of VOC-layout and COCO datasets, also in wrappers."""

import json

import pytest
from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope

from centernet_plugin.evaluation import truth_of_dataset

XML = """<annotation><size><width>60</width><height>40</height><depth>3</depth></size>{}
</annotation>"""
OBJECT = """<object><name>{}</name><difficult>{}</difficult>
<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"""
OBJECTS = {
    '000009': [('cat', 0, 1, 1, 21, 11), ('dog', 1, 31, 21, 41, 31), ('cow', 0, 1, 1, 9, 9)],
    '000002': [],
    '000005': [('dog', 0, 6, 6, 26, 16)],
}


@pytest.fixture
def voc(tmp_path):
    """Config of a set in VOC's layout; of its class cow nobody asks."""
    init_default_scope('mmdet')
    (tmp_path / 'Annotations').mkdir()
    for name, rows in OBJECTS.items():
        text = XML.format(''.join(OBJECT.format(*row) for row in rows))
        (tmp_path / f'Annotations/{name}.xml').write_text(text)
    (tmp_path / 'test.txt').write_text('\n'.join(OBJECTS) + '\n')
    return dict(
        type='mmdet.VOCDataset',
        data_root=str(tmp_path),
        ann_file='test.txt',
        data_prefix=dict(sub_data_root=''),
        metainfo=dict(classes=('cat', 'dog')),
        test_mode=True,
        pipeline=[],
    )


def test_voc(voc, tmp_path):
    truth = truth_of_dataset(DATASETS.build(voc))
    assert truth.ids == ['000009', '000002', '000005']
    assert truth.paths[2] == str(tmp_path / 'JPEGImages/000005.jpg')
    assert truth.classes == ('cat', 'dog')
    assert truth.images.tolist() == [0, 0, 2]
    assert truth.boxes.tolist() == [[0, 0, 20, 10], [30, 20, 10, 10], [5, 5, 20, 10]]
    assert truth.labels.tolist() == [0, 1, 1]
    assert truth.areas.tolist() == [200, 100, 200]
    assert truth.ignored.tolist() == [False, True, False]


def test_wrappers(voc):
    repeated = dict(type='RepeatDataset', times=2, dataset=dict(voc, indices=1))
    both = dict(type='mmdet.ConcatDataset', datasets=[repeated, voc])
    truth = truth_of_dataset(DATASETS.build(both))
    assert truth.ids == ['000009', '000009', '000009', '000002', '000005']
    assert truth.images.tolist() == [0, 0, 1, 1, 2, 2, 4]
    assert truth.classes == ('cat', 'dog')


def test_coco_without_objects(tmp_path):
    init_default_scope('mmdet')
    images = [dict(id=3, file_name='a.png', width=9, height=9)]
    (tmp_path / 'a.png').touch()
    coco = dict(images=images, annotations=[], categories=[dict(id=1, name='cat')])
    (tmp_path / 'a.json').write_text(json.dumps(coco))
    dataset = DATASETS.build(
        dict(
            type='centernet_plugin.CocoDataset',
            data_root=str(tmp_path),
            ann_file='a.json',
            data_prefix=dict(img=''),
            metainfo=dict(classes=('cat',)),
            test_mode=True,
            pipeline=[],
        )
    )
    truth = truth_of_dataset(dataset)
    assert truth.ids == [3] and truth.boxes.shape == (0, 4) and truth.ignored.all()
