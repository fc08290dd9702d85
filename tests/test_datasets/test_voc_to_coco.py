"""The script, as a user calls it."""

import json

from box_formats import call, write_images

XML = """<annotation><filename>{name}.png</filename>
<size><width>60</width><height>40</height><depth>3</depth></size>{objects}</annotation>"""
OBJECT = """<object><name>{}</name><difficult>{}</difficult>
<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"""


def run(root, *args):
    return call('dataset_converters/voc_to_coco.py', root, '--out', root / 'json', *args)


def make_voc(root):
    (root / 'Annotations').mkdir(parents=True)
    (root / 'ImageSets/Main').mkdir(parents=True)
    objects = {
        'a': [('cat', 0, 1, 1, 20, 10), ('dog', 1, 50, 30, 99, 99)],
        'b': [('dog', 0, 5, 5, 5, 9)],
    }
    for name, rows in objects.items():
        text = XML.format(name=name, objects=''.join(OBJECT.format(*row) for row in rows))
        (root / f'Annotations/{name}.xml').write_text(text)
        (root / f'ImageSets/Main/{"train" if name == "a" else "test"}.txt').write_text(f'{name}\n')


def test_converts(tmp_path):
    make_voc(tmp_path)
    code, out, err = run(tmp_path)
    assert code == 0, err
    assert 'dropped: 1 box without extent (object 1 of' in out
    assert "classes=('dog', 'cat')" not in out, 'in the order of use'
    assert 'check_dataset.py' in out.splitlines()[-1]
    train = json.loads((tmp_path / 'json/instances_train.json').read_text())
    assert [image['file_name'] for image in train['images']] == ['a.png']
    boxes = {ann['category_id']: ann['bbox'] for ann in train['annotations']}
    names = {category['name']: category['id'] for category in train['categories']}
    assert boxes[names['cat']] == [0, 0, 20, 10]
    assert boxes[names['dog']] == [49, 29, 11, 11], 'clipped to the image'
    assert [ann['iscrowd'] for ann in train['annotations']] == [0, 1], 'the difficult one'
    assert 'note: difficult objects, written as crowds' in out and 'object 2 of' in out
    test = json.loads((tmp_path / 'json/instances_test.json').read_text())
    assert len(test['images']) == 1 and test['annotations'] == []


def test_other_classes_are_counted_and_missing_folders_named(tmp_path):
    make_voc(tmp_path)
    code, out, err = run(tmp_path, '--classes', 'cat')
    assert code == 0, err
    assert "dropped: 2 boxes of a class that --classes does not name ('dog' in" in out
    code, out, err = run(tmp_path, '--classes', 'cow')
    assert code == 2 and "classes found are 'cat', 'dog'" in err
    (tmp_path / 'empty').mkdir()
    code, out, err = run(tmp_path / 'empty')
    assert code == 2 and 'no XML file' in err
    assert err.count('\n') == 1, 'no traceback'


def test_options_reach_the_reader(tmp_path):
    make_voc(tmp_path)
    (tmp_path / 'ImageSets/Main/train.txt').write_text('a\nö\n', encoding='cp1252')
    write_images(tmp_path / 'JPEGImages', {'a.png': (60, 40), 'b.png': (60, 40), 'ö.png': (9, 9)})
    code, out, err = run(tmp_path)
    assert code == 2 and '--encoding cp1252' in err
    code, out, err = run(tmp_path, '--encoding', 'cp1252')
    assert code == 2 and '--keep-unlisted' in err
    code, out, err = run(tmp_path, '--encoding', 'cp1252', '--keep-unlisted')
    assert code == 0, err
    assert 'instances_train.json: 2 images (1 without objects)' in out
