import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / 'tools/dataset_converters/voc_to_coco.py'
XML = """<annotation><filename>{name}.png</filename>
<size><width>60</width><height>40</height><depth>3</depth></size>{objects}</annotation>"""
OBJECT = """<object><name>{}</name><difficult>0</difficult>
<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"""


def run(root, *args):
    command = [sys.executable, str(SCRIPT), str(root), '--out', str(root / 'json'), *args]
    return subprocess.run(command, capture_output=True, text=True)


def make_voc(root):
    (root / 'Annotations').mkdir(parents=True)
    (root / 'ImageSets/Main').mkdir(parents=True)
    objects = {
        'a': [('cat', 1, 1, 20, 10), ('dog', 50, 30, 99, 99)],
        'b': [('dog', 5, 5, 5, 9)],
    }
    for name, rows in objects.items():
        text = XML.format(name=name, objects=''.join(OBJECT.format(*row) for row in rows))
        (root / f'Annotations/{name}.xml').write_text(text)
        (root / f'ImageSets/Main/{"train" if name == "a" else "test"}.txt').write_text(f'{name}\n')


def test_converts(tmp_path):
    make_voc(tmp_path)
    result = run(tmp_path)
    assert result.returncode == 0, result.stderr
    assert 'dropped without extent: b (dog)' in result.stdout
    train = json.loads((tmp_path / 'json/instances_train.json').read_text())
    assert [image['file_name'] for image in train['images']] == ['a.png']
    boxes = {ann['category_id']: ann['bbox'] for ann in train['annotations']}
    names = {category['name']: category['id'] for category in train['categories']}
    assert boxes[names['cat']] == [0, 0, 20, 10]
    assert boxes[names['dog']] == [49, 29, 11, 11], 'clipped to the image'


def test_unknown_class_and_missing_lists(tmp_path):
    make_voc(tmp_path)
    result = run(tmp_path, '--classes', 'cat')
    assert result.returncode != 0 and "class 'dog'" in result.stderr
    (tmp_path / 'empty').mkdir()
    result = run(tmp_path / 'empty')
    assert result.returncode == 2 and 'no split lists' in result.stderr
