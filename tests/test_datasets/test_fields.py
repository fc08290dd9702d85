"""Further keys of annotations, as instances carry them."""

import json
import math

import pytest

from centernet_plugin.datasets import CocoDataset
from centernet_plugin.datasets.fields import field_shapes
from centernet_plugin.errors import UserInputError


@pytest.fixture
def load(tmp_path):
    """``load(values, fields)``: the infos of an image per dict of further keys."""
    (tmp_path / 'a.png').touch()

    def load(values, fields, **kwargs):
        common = dict(category_id=1, bbox=[1, 2, 30, 20], area=600, iscrowd=0)
        data = dict(
            images=[
                dict(id=i, file_name='a.png', width=60, height=40) for i, _ in enumerate(values)
            ],
            annotations=[dict(id=i, image_id=i, **common, **v) for i, v in enumerate(values)],
            categories=[dict(id=1, name='cat')],
        )
        (tmp_path / 'ann.json').write_text(json.dumps(data))
        kwargs = (
            dict(metainfo=dict(classes=('cat',)), fields=fields, data_prefix=dict(img='')) | kwargs
        )
        return CocoDataset(data_root=str(tmp_path), ann_file='ann.json', **kwargs)

    return load


def test_fields_are_carried_where_they_are(load):
    shapes = dict(distance=(), size=(3,))
    dataset = load([dict(distance=2, size=[1, 2, 3.5]), dict(size=None), dict(distance=3)], shapes)
    first, second, third = (info['instances'][0] for info in dataset)
    assert first['distance'] == 2 and first['size'] == [1, 2, 3.5]
    assert 'distance' not in second and 'size' not in second
    assert third['distance'] == 3 and 'size' not in third
    assert first['bbox'] == [1, 2, 31, 22]
    assert all(info['fields'] == shapes for info in dataset)


def test_without_fields_nothing_is_different(load):
    (info,) = load([dict(distance=2)], ())
    assert 'fields' not in info and 'distance' not in info['instances'][0]


def test_part_of_a_value_may_be_unknown(load):
    (info,) = load([dict(size=[1, float('nan'), 3])], dict(size=3))
    size = info['instances'][0]['size']
    assert math.isnan(size[1]) and size[2] == 3


def test_values_stay_with_their_box_when_others_are_dropped(load, tmp_path):
    load([dict(distance=1)], ('distance',))
    data = json.loads((tmp_path / 'ann.json').read_text())
    (ann,) = data['annotations']
    others = [dict(area=0), dict(ignore=True), dict(category_id=5), dict(bbox=[99, 99, 5, 5])]
    data['annotations'] = [
        ann | dict(id=i, distance=10 + i) | other for i, other in enumerate(others)
    ] + [ann | dict(id=9, distance=7)]
    (tmp_path / 'ann.json').write_text(json.dumps(data))
    args = dict(metainfo=dict(classes=('cat',)), fields=('distance',), data_prefix=dict(img=''))
    (info,) = CocoDataset(data_root=str(tmp_path), ann_file='ann.json', **args)
    assert [instance['distance'] for instance in info['instances']] == [7]


@pytest.mark.parametrize(
    ('shape', 'value'),
    [
        ((), '2'),
        ((), [2]),
        ((), True),
        ((), {}),
        ((), float('inf')),
        ((2,), 1),
        ((2,), [1, 2, 3]),
        ((2,), [1, 'x']),
        ((2, 2), [[1, 2], [3]]),
    ],
)
def test_a_wrong_value_is_named(load, shape, value):
    with pytest.raises(UserInputError, match="annotation 0 of image 'a.png' has distance"):
        load([dict(distance=value)], dict(distance=shape))


def test_a_field_that_no_annotation_has(load):
    with pytest.raises(UserInputError, match="has the field 'distanse'; they have .*distance"):
        load([dict(distance=2)], ('distanse',))
    (info,) = load([dict()], ('distance',), test_mode=True)
    assert info['fields'] == dict(distance=())


@pytest.mark.parametrize('fields', ['distance', ('bbox',), dict(size='3'), dict(size=(0,)), (3,)])
def test_fields_that_cannot_be(fields):
    with pytest.raises(UserInputError):
        field_shapes(fields)
