import pytest

from centernet_plugin.datasets.converters import (
    Box,
    BoxSet,
    Entry,
    Tally,
    build_coco,
    divide,
    write_coco,
)
from centernet_plugin.errors import UserInputError


def entries(count, start=0):
    return [
        Entry(f'{i:04d}.jpg', 50, 40, [Box('cat', (1, 2, 11, 22), f'line {i}')] if i % 3 else [])
        for i in range(start, start + count)
    ]


def names(boxes, split):
    return [entry.file_name for entry in boxes.splits[split]]


def test_every_image_is_in_one_of_the_splits():
    boxes = divide(BoxSet('', dict(all=entries(1000))), 0.2)
    assert list(boxes.splits) == ['train', 'val']
    both = names(boxes, 'train') + names(boxes, 'val')
    assert sorted(both) == [f'{i:04d}.jpg' for i in range(1000)]
    assert 150 < len(names(boxes, 'val')) < 250
    assert any(not entry.boxes for entry in boxes.splits['val']), 'images without objects too'


def test_division_depends_on_name_and_seed_alone():
    some = set(names(divide(BoxSet('', dict(all=entries(300))), 0.2), 'val'))
    more = set(names(divide(BoxSet('', dict(x=entries(600)[::-1])), 0.2), 'val'))
    assert some == {name for name in more if name < '0300'}
    again = set(names(divide(BoxSet('', dict(all=entries(300))), 0.2, seed=1), 'val'))
    assert again != some
    # As it is today, so that nobody's validation set changes with a version.
    few = divide(BoxSet('', dict(all=entries(12))), 0.25)
    assert names(few, 'val') == KNOWN


KNOWN = ['0000.jpg', '0008.jpg', '0009.jpg', '0011.jpg']


@pytest.mark.parametrize('fraction', [1e-9, 0.5, 1 - 1e-9])
def test_neither_split_is_empty(fraction):
    boxes = divide(BoxSet('', dict(all=entries(2))), fraction)
    assert len(names(boxes, 'train')) == len(names(boxes, 'val')) == 1


def test_what_cannot_be_divided_is_named():
    for fraction in (0, 1, -0.1, 20, float('nan')):
        with pytest.raises(UserInputError, match='between 0 and 1'):
            divide(BoxSet('', dict(all=entries(5))), fraction)
    with pytest.raises(UserInputError, match="divides one split, but there are 'train', 'test'"):
        divide(BoxSet('', dict(train=entries(2), test=entries(2))), 0.2)
    with pytest.raises(UserInputError, match='at least two images'):
        divide(BoxSet('', dict(all=entries(1))), 0.2)


def labelled(*labels):
    return [Box(label, (0, 0, 10, 10 + i), f'line {i}') for i, label in enumerate(labels)]


def test_numbers_are_the_same_in_all_splits():
    boxes = BoxSet(
        '',
        dict(
            train=[Entry('b.jpg', 50, 40, labelled('dog', 'cat'))],
            val=[Entry('a.jpg', 50, 40, labelled('cow', 'cat')), Entry('c.jpg', 50, 40)],
        ),
    )
    cocos = build_coco(boxes, Tally())
    wanted = [dict(id=i, name=n) for i, n in enumerate(('dog', 'cat', 'cow'), 1)]
    assert [coco['categories'] for coco in cocos.values()] == [wanted] * 2, 'as they are found'
    assert [image['id'] for image in cocos['val']['images']] == [1, 3]
    assert [ann['category_id'] for ann in cocos['val']['annotations']] == [3, 2]
    assert cocos['train']['annotations'][0] == dict(
        id=1, image_id=2, category_id=1, bbox=[0, 0, 10, 10], area=100, iscrowd=0
    )


def test_classes_in_the_order_wanted():
    entry = Entry('a.jpg', 50, 40, labelled('dog', 'cat', 'cow', 'dog'))
    tally = Tally()
    (coco,) = build_coco(BoxSet('', dict(all=[entry])), tally, ['cow', 'dog']).values()
    assert [category['name'] for category in coco['categories']] == ['cow', 'dog']
    assert [ann['category_id'] for ann in coco['annotations']] == [2, 1, 2]
    assert tally.lines() == [
        "dropped: 1 box of a class that --classes does not name ('cat' in line 1)"
    ]
    boxes = BoxSet('', dict(all=[entry]), ['cat', 'dog', 'cow', 'fish'])
    (coco,) = build_coco(boxes, Tally()).values()
    assert [category['name'] for category in coco['categories']] == ['cat', 'dog', 'cow', 'fish']


def test_classes_that_no_box_has():
    """A slip if boxes of almost that name are dropped; else another table may have the class."""
    boxes = BoxSet('', dict(all=[Entry('a.jpg', 50, 40, labelled('dog', 'cat'))]))
    for name in ('dgo', 'Dog', 'DOGS'):
        with pytest.raises(
            UserInputError, match=f"names '{name}', which no box has, and not 'dog'"
        ):
            build_coco(boxes, Tally(), ['cat', name])
    tally = Tally()
    (coco,) = build_coco(boxes, tally, ['cat', 'elephant', 'cats', 'dog']).values()
    assert [category['name'] for category in coco['categories']][1:3] == ['elephant', 'cats']
    assert tally.lines() == [
        "note: classes that --classes names and no box has: 2 ('elephant'; 'cats')"
    ]


def test_an_image_of_two_splits_is_dropped_from_once():
    entry = Entry('a.jpg', 50, 40, [*labelled('dog'), Box('dog', (1, 1, 1, 5), 'line 9')])
    tally = Tally()
    build_coco(BoxSet('', dict(train=[entry], trainval=[entry])), tally)
    assert tally.lines() == ['dropped: 1 box without extent (line 9)']
    build_coco(BoxSet('', dict(train=[entry], val=[entry])), tally)
    assert any("images in both 'train' and 'val': 1 " in line for line in tally.lines())


def test_names_that_differ_in_capitals_are_noted():
    tally = Tally()
    build_coco(BoxSet('', dict(a=[Entry('a.jpg', 50, 40, labelled('Cat', 'cat'))])), tally)
    assert tally.lines() == ["note: class names that differ only in capitals: 1 ('Cat' and 'cat')"]


def test_nothing_left_is_an_error():
    with pytest.raises(UserInputError, match='no box to train on in 0 images'):
        build_coco(BoxSet('', dict(a=[])), Tally())
    entry = Entry('a.jpg', 5, 4, [Box('cat', (9, 9, 10, 10), 'line 7')])
    with pytest.raises(UserInputError, match='in 1 image; dropped: 1 box outside .*line 7'):
        build_coco(BoxSet('', dict(a=[entry])), Tally())
    with pytest.raises(UserInputError, match="classes found are 'cat'"):
        build_coco(BoxSet('', dict(a=[entry])), Tally(), ['cow'])


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(UserInputError, match='cannot write to .*choose another --out'):
        write_coco(dict(a={}), tmp_path / 'file')


@pytest.mark.parametrize('split', ['a\nb', 'a/b', '..\\b', 'a"b', ''])
def test_a_split_that_names_no_file_is_refused(tmp_path, split):
    with pytest.raises(UserInputError, match='the split .* rename the table or list'):
        write_coco({'train': {}, split: {}}, tmp_path)
    assert not list(tmp_path.iterdir())
    (path,) = write_coco({'Bäume (1).v2': {}}, tmp_path).values()
    assert path.name == 'instances_Bäume (1).v2.json' and path.is_file()
