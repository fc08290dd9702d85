import pytest
from box_formats import SET, SIZES, as_set, voc_xml, write_images, write_voc_set, write_xml

from centernet_plugin.datasets.converters import Tally, find_voc, read_voc
from centernet_plugin.errors import UserInputError


@pytest.fixture
def root(tmp_path):
    return write_voc_set(tmp_path / 'set')


def read(root, tally=None, pixels='voc', keep_unlisted=False, **where):
    tally = tally or Tally()
    boxes = read_voc(find_voc(root, **where), tally, pixels=pixels, keep_unlisted=keep_unlisted)
    return as_set(boxes, tally)


def test_splits(root):
    boxes = read_voc(find_voc(root), tally := Tally())
    assert {s: [e.file_name for e in entries] for s, entries in boxes.splits.items()} == {
        'train': ['a.jpg', 'b.PNG'],
        'val': ['empty.bmp'],
    }
    assert tally.notes['XML files in none of the lists, not converted'].number == 1
    assert list(find_voc(root, splits=['val']).lists) == ['val']
    with pytest.raises(UserInputError, match='no list .*gone.txt.; there are .train., .val.'):
        find_voc(root, splits=['gone'])


def test_lists_of_single_classes_are_no_splits(root):
    lists = root / 'ImageSets/Main'
    (lists / 'cat_train.txt').write_text('a  1\nb -1\n')
    layout = find_voc(root)
    assert list(layout.lists) == ['train', 'val']
    tally = Tally()
    read_voc(layout, tally)
    assert any('single class' in x and ": 1 ('cat_train.txt')" in x for x in tally.lines())
    assert [name for name, _ in find_voc(root, splits=['cat_train']).lists['cat_train']] == [
        'a',
        'b',
    ]
    for name in ('train', 'val'):
        (lists / f'{name}.txt').unlink()
    with pytest.raises(UserInputError, match='only lists of single .*--splits .cat_train.'):
        find_voc(root)


@pytest.mark.parametrize(
    ('lines', 'names', 'split'),
    [
        (['IMG 1', 'IMG 0'], ['IMG 1', 'IMG 0'], True),
        (['IMG 1', 'gone 1'], ['IMG 1', 'IMG 0'], True),
        (['IMG 1', 'IMG 2'], ['IMG 1', 'IMG 2', 'IMG'], True),
        (['a one', 'b two'], ['a one', 'b two', 'a', 'b'], True),
        (['IMG 1  1', 'IMG 2 -1'], ['IMG 1', 'IMG 2'], False),
        (['a 1', 'gone 0'], ['a'], False),
    ],
)
def test_names_with_a_blank_are_no_list_of_a_class(tmp_path, lines, names, split):
    size = {f'{name}.png': (9, 9) for name in names}
    write_images(tmp_path / 'JPEGImages', size)
    (tmp_path / 'Annotations').mkdir()
    for name in names:
        (tmp_path / f'Annotations/{name}.xml').write_text(voc_xml('x', [], (9, 9)))
    lists = tmp_path / 'ImageSets/Main'
    lists.mkdir(parents=True)
    (lists / 'train.txt').write_text('\n'.join(lines))
    (lists / 'val.txt').write_text(names[0])
    layout = find_voc(tmp_path)
    assert list(layout.lists) == ['train'] * split + ['val']
    if split:
        assert [name for name, _ in layout.lists['train']] == lines


def test_lists_of_another_encoding(root):
    (root / 'Annotations/a.xml').rename(root / 'Annotations/ä.xml')
    (root / 'ImageSets/Main/train.txt').write_text('ä\n', encoding='cp1252')
    assert 'a.jpg' in read(root, encoding='cp1252')
    with pytest.raises(UserInputError, match='line 1 of .*train.txt. .*--encoding cp1252'):
        read(root)


def test_images_without_xml(tmp_path):
    """Labelling tools write no file for an image in which nothing is marked."""
    write_images(tmp_path)
    write_xml(tmp_path)
    (tmp_path / 'empty.xml').unlink()
    (tmp_path / 'b.xml').rename(tmp_path / 'x.xml')  # finds its image by the name in it
    tally = Tally()
    assert read(tmp_path, tally) == {name: SET[name] for name in SET if name != 'empty.bmp'}
    assert tally.lines() == [
        'note: images without an XML file, left out; --keep-unlisted takes them as images '
        "without objects: 1 ('empty.bmp')"
    ]
    tally = Tally()
    assert read(tmp_path, tally, keep_unlisted=True) == SET
    assert tally.lines() == []


def test_images_without_xml_in_lists(root):
    (root / 'Annotations/empty.xml').unlink()
    write_images(root / 'JPEGImages', {'new.png': (8, 8)})
    with pytest.raises(UserInputError, match="line 1 of .*val.txt. names 'empty', .*--keep-unl"):
        read(root)
    tally = Tally()
    found = read(root, tally, keep_unlisted=True)
    assert found['empty.bmp'] == [] and 'new.png' not in found
    assert any('nor a place in a list, left out: 1 (' in line for line in tally.lines())


def test_two_names_of_one_image(root):
    (root / 'Annotations/x.xml').write_text(voc_xml('a.jpg', SET['a.jpg'], SIZES['a.jpg']))
    (root / 'ImageSets/Main/train.txt').write_text('a\nx\n')
    with pytest.raises(UserInputError, match="line 2 of .*: 'x' and 'a' both mean .*'a.jpg'"):
        read(root)


def test_all_in_one_folder(tmp_path):
    write_images(tmp_path)
    write_xml(tmp_path)
    assert read(tmp_path) == SET
    assert list(read_voc(find_voc(tmp_path), Tally()).splits) == ['all']


def test_pixels(root, tmp_path):
    """From 1 and to the last pixel, or edges from 0."""
    (root / 'Annotations/a.xml').write_text(
        voc_xml('a.jpg', [('cat', -1, -1, 20, 10)], SIZES['a.jpg'])
    )
    tally = Tally()
    assert read(root, tally)['a.jpg'] == [('cat', 0, 0, 20, 10)]
    assert any('--pixels edges' in line for line in tally.lines())
    (root / 'Annotations/a.xml').write_text(
        voc_xml('a.jpg', [('cat', 4, 4, 20, 10)], SIZES['a.jpg'])
    )
    assert read(root, pixels='edges')['a.jpg'] == [('cat', 5, 5, 20, 10)]
    assert read(root)['a.jpg'] == [('cat', 4, 4, 20, 10)]


def test_images_that_are_not_there(root):
    (root / 'JPEGImages/b.PNG').unlink()
    tally = Tally()
    assert 'b.PNG' not in read(root, tally)
    assert tally.images['not there'].where == [f"'b.PNG' of '{root}/Annotations/b.xml'"]
    assert tally.boxes['of an image that is not there'].number == 1
    (root / 'JPEGImages').rename(root / 'elsewhere')
    tally = Tally()
    assert 'b.PNG' in read(root, tally), 'nobody knows where the images are'
    assert any('--images names one' in line for line in tally.lines())
    assert 'b.PNG' not in read(root, images=root / 'elsewhere')
    with pytest.raises(UserInputError, match="'.*gone' does not exist"):
        read(root, images=root / 'gone')


def test_size_of_the_file_wins_and_is_noted(root):
    (root / 'Annotations/a.xml').write_text(voc_xml('a.jpg', [('cat', 50, 50, 100, 70)], (120, 80)))
    tally = Tally()
    boxes = read_voc(find_voc(root), tally)
    assert (boxes.splits['train'][0].width, boxes.splits['train'][0].height) == (120, 80)
    assert any('a.jpg is 60 x 40, annotated 120 x 80' in line for line in tally.lines())
    for size in ((0, 0), ('', '')):
        (root / 'Annotations/a.xml').write_text(voc_xml('a.jpg', SET['a.jpg'], size))
        assert read(root)['a.jpg'] == SET['a.jpg'], 'measured'


def test_renamed_images(root):
    """The XML's own name counts before what is written in it."""
    (root / 'Annotations/a.xml').write_text(voc_xml('b.PNG', SET['a.jpg'], SIZES['a.jpg']))
    (root / 'Annotations/b.xml').rename(root / 'Annotations/x.xml')
    (root / 'ImageSets/Main/train.txt').write_text('a\nx\n')
    assert {k: v for k, v in read(root).items() if v} == {k: SET[k] for k in ('a.jpg', 'b.PNG')}


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('</annotation>', '', 'line . of .*a.xml. is not XML'),
        ('<name>guinea pig</name>', '', 'object 1 of .*a.xml. has no name'),
        ('<xmin>2</xmin>', '', 'object 1 of .*a.xml. has no xmin'),
        ('<xmin>2</xmin>', '<xmin>two</xmin>', "object 1 of .* has 'two' where a number"),
        ('<width>60</width>', '<width>-60</width>', 'size of .*a.xml. is -60 x 40'),
        ('<width>60</width>', '<width>wide</width>', "size of .*a.xml. has 'wide'"),
        ('<difficult>0<', '<difficult>x<', "object 1 of .* has 'x'"),
        ('<annotation>', '<?xml version="1.0" encoding="klingon"?><annotation>', 'line 1 of'),
    ],
)
def test_malformed_files_are_named(root, old, new, message):
    path = root / 'Annotations/a.xml'
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(UserInputError, match=message):
        read(root)


def test_missing_parts_are_named(root, tmp_path):
    (root / 'ImageSets/Main/val.txt').write_text('empty\ngone\n')
    with pytest.raises(UserInputError, match="line 2 of .*val.txt. names 'gone', which"):
        read(root)
    (root / 'Annotations/a.xml').write_text('<html/>')
    with pytest.raises(UserInputError, match='<html> in place of <annotation>'):
        read(root)
    with pytest.raises(UserInputError, match='nowhere. does not exist'):
        read(tmp_path / 'nowhere')
    (tmp_path / 'bare').mkdir()
    (tmp_path / 'bare/a.xml').write_text('<annotation/>')
    with pytest.raises(UserInputError, match='no size .* --images FOLDER'):
        read(tmp_path / 'bare')
