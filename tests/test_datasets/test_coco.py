import json

import cv2
import numpy as np
import pytest

from centernet_plugin.datasets import CocoDataset
from centernet_plugin.errors import UserInputError


@pytest.fixture
def coco(tmp_path):
    """A tiny set; ``coco(change)`` writes it after a change and loads it."""
    (tmp_path / 'img').mkdir()
    cv2.imwrite(str(tmp_path / 'img/a.png'), np.zeros((40, 60, 3), np.uint8))
    data = dict(
        images=[dict(id=1, file_name='a.png', width=60, height=40)],
        annotations=[
            dict(id=7, image_id=1, category_id=3, bbox=[1, 2, 30, 20], area=600, iscrowd=0)
        ],
        categories=[dict(id=3, name='cat'), dict(id=9, name='dog')],
    )

    def load(change=None, classes=('cat', 'dog'), **kwargs):
        if change:
            change(data)
        (tmp_path / 'ann.json').write_text(json.dumps(data))
        kwargs = dict(ann_file='ann.json', data_prefix=dict(img='img/')) | kwargs
        return CocoDataset(data_root=str(tmp_path), metainfo=dict(classes=classes), **kwargs)

    return load


def test_loads(coco):
    (info,) = coco()
    assert info['instances'][0]['bbox'] == [1, 2, 31, 22]
    assert info['instances'][0]['bbox_label'] == 0


def test_missing_file_and_image(coco):
    with pytest.raises(UserInputError, match="nowhere.json' does not exist; set data_root"):
        coco(ann_file='nowhere.json')
    with pytest.raises(UserInputError, match='set data_prefix'):
        coco(data_prefix=dict(img='elsewhere/'))


def test_not_json_and_not_coco(coco, tmp_path):
    coco()
    (tmp_path / 'bad.json').write_text('{"images": [')
    with pytest.raises(UserInputError, match='not a COCO annotation file'):
        coco(ann_file='bad.json')
    (tmp_path / 'list.json').write_text('[1, 2]')
    with pytest.raises(UserInputError, match='not a COCO annotation file'):
        coco(ann_file='list.json')
    with pytest.raises(UserInputError, match='no annotations to train on'):
        coco(lambda data: data.pop('annotations'))
    assert len(coco(test_mode=True)) == 1, "as COCO's test-dev"


@pytest.mark.parametrize('filter_cfg', [None, dict(filter_empty_gt=True)])
def test_a_list_of_annotations_without_any(coco, filter_cfg):
    with pytest.raises(UserInputError, match='no annotations to train on'):
        coco(lambda data: data['annotations'].clear(), filter_cfg=filter_cfg)
    assert len(coco(test_mode=True, filter_cfg=filter_cfg)) == 1


@pytest.mark.parametrize(
    ('kind', 'key'),
    [
        ('images', 'width'),
        ('images', 'file_name'),
        ('annotations', 'area'),
        ('annotations', 'iscrowd'),
        ('annotations', 'image_id'),
        ('categories', 'name'),
    ],
)
def test_missing_key_is_named(coco, kind, key):
    with pytest.raises(UserInputError, match=f"lacks '{key}'"):
        coco(lambda data: data[kind][0].pop(key))


def test_no_images(coco):
    with pytest.raises(UserInputError, match="'images'"):
        coco(lambda data: data['images'].clear())


@pytest.mark.parametrize('box', [[1, 2, float('nan'), 4], [1, 2, 3], 'box', None])
def test_bad_box_is_named(coco, box):
    def change(data):
        data['annotations'][0]['bbox'] = box

    with pytest.raises(UserInputError, match="annotation 7 of image 'a.png'"):
        coco(change)


def test_classes_that_match_nothing(coco):
    with pytest.raises(UserInputError, match=r"classes=\('cat', 'dog'\)"):
        coco(classes=('person', 'car'))
    with pytest.raises(UserInputError, match='1 of 3 class names .bird.'):
        coco(classes=('cat', 'dog', 'bird'))


def test_classes_in_another_order_would_be_mislabelled(coco):
    with pytest.raises(UserInputError, match='another order'):
        coco(classes=('dog', 'cat'))


def test_a_subset_of_the_classes_is_fine(coco):
    (info,) = coco(classes=('dog',))
    assert info['instances'] == []


def test_empty_image_file_is_named(coco, tmp_path):
    dataset = coco(pipeline=[dict(type='LoadImageFromFile')])
    (tmp_path / 'img/a.png').write_bytes(b'')
    with pytest.raises(UserInputError, match="a.png' is not readable"):
        dataset[0]
