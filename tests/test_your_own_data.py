"""The converters of docs/your_own_data.md on sets as it describes them, and what they wrote."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from box_formats import (
    SIZES,
    call,
    csv_text,
    write_images,
    write_voc_set,
    write_yolo,
)
from mmengine.config import Config
from mmengine.registry import DefaultScope

from centernet_plugin.datasets import CocoDataset

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / 'docs/your_own_data.md').read_text()
BLOCKS = re.findall(r'```shell\n(.*?)```', PAGE, re.DOTALL)
COMMANDS = [
    shlex.split(line) for block in BLOCKS for line in block.replace('\\\n', ' ').strip().split('\n')
]
CONFIG = re.search(r'```python\n(.*?)```', PAGE, re.DOTALL)[1]
COUNT = 10


def commands(script):
    return [words[2:] for words in COMMANDS if words[1] == f'tools/{script}']


def option(words, name):
    return words[words.index(name) + 1]


@pytest.fixture(scope='module')
def photos():
    """Names, and two boxes each, in images of 96 x 80."""
    rng = np.random.default_rng(0)
    boxes = {}
    for i in range(COUNT):
        x, y = (int(v) for v in rng.integers(2, 30, 2))
        boxes[f'{i:02d}.jpg'] = [('cat', x, y, x + 28, y + 24), ('kitten', 60, y, 84, y + 30)]
    return boxes


@pytest.fixture(scope='module')
def here(tmp_path_factory, photos):
    """A folder with the data that the page speaks of."""
    root = tmp_path_factory.mktemp('here')
    sizes = dict.fromkeys(photos, (96, 80))
    write_images(root / 'data/cats/images', sizes)
    (root / 'data/cats/boxes.csv').write_text(csv_text(photos))
    for split in ('train', 'val'):
        rows = [
            f'{split}/{name};{x1};{y1};{x2 - x1};{y2 - y1};{label}'
            for name, found in photos.items()
            for label, x1, y1, x2, y2 in found
        ]
        text = '\r\n'.join(['photo;left;top;across;down;breed', *rows])
        write_images(root / 'data/dogs' / split, sizes)
        (root / f'data/dogs/{split}.csv').write_text(text, encoding='utf-8-sig')
    write_yolo(root / 'data/fish')
    names = [('sparrow', 1, 1, 9, 9), ('tit', 0, 3, 8, 12), ('cat', 1, 1, 5, 5)]
    write_voc_set(root / 'data/birds', {name: names for name in SIZES})
    for path in (root / 'data/birds/ImageSets/Main').iterdir():
        path.unlink()
    write_images(root / 'data/cows/images', sizes)
    for split in ('train', 'val'):
        write_cows(root / f'data/cows/{split}.json', photos)
    return root


def write_cows(path, photos):
    images = [
        dict(id=i, file_name=name, width=96, height=80) for i, name in enumerate(sorted(photos))
    ]
    annotations = [
        dict(id=i, image_id=i // 2, category_id=i % 2, bbox=[9, 9, 20, 20], area=400, iscrowd=0)
        for i in range(2 * len(images))
    ]
    categories = [dict(id=0, name='cow'), dict(id=1, name='calf')]
    path.write_text(json.dumps(dict(images=images, annotations=annotations, categories=categories)))


@pytest.fixture(scope='module')
def converted(here):
    """What the page's converters say, by the config that each writes."""
    said = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        for name in ('csv', 'yolo', 'voc'):
            for words in commands(script := f'dataset_converters/{name}_to_coco.py'):
                code, out, err = call(script, *words)
                assert code == 0, err
                said[option(words, '--config')] = out
    (here / 'cows.py').write_text(CONFIG.replace("'configs/", f"'{ROOT}/configs/"))
    return said


def load(folder, config, split='train'):
    """The dataset of a config, and the config."""
    cfg = Config.fromfile(folder / config)
    settings = cfg[f'{split}_dataloader'].dataset
    settings.pop('type')
    settings.update(pipeline=[])
    with DefaultScope.overwrite_default_scope('mmdet'), pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return CocoDataset(**settings), cfg


def test_page_has_the_commands_that_are_tested():
    known = ('csv_to_coco', 'csv_to_coco', 'yolo_to_coco', 'voc_to_coco')
    assert [Path(words[1]).stem for words in COMMANDS] == [*known, 'check_dataset', 'train', 'test']
    assert all(words[0] == 'python' for words in COMMANDS)


@pytest.mark.parametrize(
    ('config', 'classes', 'images', 'boxes'),
    [
        ('cats.py', ('cat', 'kitten'), COUNT, 2 * COUNT),
        ('dogs.py', ('cat', 'kitten'), 2 * COUNT, 4 * COUNT),
        ('fish.py', ('cat', 'guinea pig', 'Zürich'), 2 * 4, 2 * 5),
        ('birds.py', ('sparrow', 'tit'), 4, 8),
        ('cows.py', ('cow', 'calf'), 2 * COUNT, 4 * COUNT),
    ],
)
def test_configs_give_the_data(here, converted, config, classes, images, boxes):
    """Over both splits; a config of one split has it in both places."""
    infos = []
    for split in ('train', 'val'):
        dataset, cfg = load(here, config, split)
        assert dataset.metainfo['classes'] == classes
        assert cfg.model.bbox_head.num_classes == len(classes)
        infos += [dataset.get_data_info(i) for i in range(len(dataset))]
    assert (here / cfg.val_evaluator.ann_file).samefile(here / dataset.ann_file)
    assert len(infos) == images
    assert sum(len(info['instances']) for info in infos) == boxes
    assert all((here / info['img_path']).is_file() for info in infos)


def test_boxes_are_those_of_the_table(here, converted, photos):
    found = {}
    for split in ('train', 'val'):
        dataset, _ = load(here, 'cats.py', split)
        for info in map(dataset.get_data_info, range(len(dataset))):
            found[Path(info['img_path']).name] = [
                (dataset.metainfo['classes'][i['bbox_label']], *i['bbox'])
                for i in info['instances']
            ]
    assert found == photos


def test_what_the_converters_say(converted):
    lines = converted['birds.py'].splitlines()
    assert lines[0].startswith('data/birds/coco_json/instances_train.json: ')
    assert 'class' in lines[2] and 'train' in lines[2] and 'val' in lines[2]
    assert any(
        "dropped: 4 boxes of a class that --classes does not name ('cat'" in x for x in lines
    )
    assert lines[-2:] == [
        'config: birds.py',
        'next: python tools/analysis_tools/check_dataset.py birds.py',
    ]


def test_set_passes_the_check(here, converted, monkeypatch):
    monkeypatch.chdir(here)
    (words,) = commands('analysis_tools/check_dataset.py')
    code, out, err = call('analysis_tools/check_dataset.py', *words, '--samples', 8, '--num', 2)
    assert code == 0, out + err
    report = json.loads((here / 'check/train.json').read_text())
    assert not [f for f in report['findings'] if f['severity'] == 'error']
    assert (here / 'check/train_images.png').is_file()


@pytest.mark.parametrize('script', ['train.py', 'test.py'])
def test_training_and_testing_have_these_options(script):
    (words,) = commands(script)
    code, out, err = call(script, *words, '--help')
    assert code == 0 and all(word in out for word in words if word.startswith('--')), err
