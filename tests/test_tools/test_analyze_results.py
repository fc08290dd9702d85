"""The analysis from its command line, on a tiny set in COCO's and in VOC's layout."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import mmengine
import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / 'tools/analysis_tools/analyze_results.py'
CLASSES = ('disc', 'box', 'star')
# Image, class, box (x, y, w, h), ignored. Image 3 has none.
OBJECTS = [
    (0, 0, (4, 4, 20, 20), 0),
    (0, 1, (30, 8, 24, 16), 0),
    (1, 1, (10, 30, 30, 30), 0),
    (1, 2, (40, 4, 20, 20), 1),
    (2, 0, (2, 2, 50, 50), 0),
]
CONFIG = """
default_scope = 'mmdet'
custom_imports = dict(imports=['centernet_plugin'], allow_failed_imports=False)
model = dict(
    type='centernet_plugin.CenterNet',
    data_preprocessor=dict(type='mmdet.DetDataPreprocessor', mean=[99.0] * 3, std=[70.0] * 3),
    backbone=dict(type='mmdet.ResNet', depth=18, base_channels=8, stem_channels=8),
    neck=dict(
        type='centernet_plugin.CenterNetDeconvNeck', in_channels=64, deconv_channels=(16, 16, 16)
    ),
    bbox_head=dict(type='centernet_plugin.CenterNetHead', num_classes=3, in_channels=16),
    test_cfg=dict(max_per_img=10),
)
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='centernet_plugin.KeepResPad', pad=31),
    dict(type='mmdet.LoadAnnotations', with_bbox=True),
    dict(
        type='mmdet.PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'border'),
    ),
]
common = dict(
    metainfo=dict(classes={classes!r}), data_root={root!r}, test_mode=True, pipeline=test_pipeline
)
coco = dict(
    type='centernet_plugin.CocoDataset', ann_file='coco.json',
    data_prefix=dict(img='JPEGImages/'), **common,
)
voc = dict(
    type='mmdet.VOCDataset', ann_file='test.txt', data_prefix=dict(sub_data_root=''), **common
)
test_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False), dataset={set}
)
test_evaluator = {evaluator}
test_cfg = dict(type='TestLoop')
"""
XML = '<annotation><size><width>64</width><height>64</height></size>{}</annotation>'
OBJECT = (
    '<object><name>{}</name><difficult>{}</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin>'
    '<xmax>{}</xmax><ymax>{}</ymax></bndbox></object>'
)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Folder of four images of 64 x 64 with annotations in both layouts."""
    root = tmp_path_factory.mktemp('tiny set')
    for folder in ('JPEGImages', 'Annotations'):
        (root / folder).mkdir()
    for i in range(4):
        image = np.full((64, 64, 3), 40 * i, np.uint8)
        text = ''
        for _, label, (x, y, w, h), ignored in (row for row in OBJECTS if row[0] == i):
            cv2.rectangle(image, (x, y), (x + w, y + h), (250 - 60 * label, 90, 60 * label), -1)
            text += OBJECT.format(CLASSES[label], ignored, x + 1, y + 1, x + w + 1, y + h + 1)
        cv2.imwrite(str(root / f'JPEGImages/{i}.jpg'), image)
        (root / f'Annotations/{i}.xml').write_text(XML.format(text))
    (root / 'test.txt').write_text('0\n1\n2\n3\n')
    annotations = [
        dict(
            id=i + 1, image_id=image, category_id=label, bbox=box, area=2000, iscrowd=ignored
        )  # the areas of masks, say
        for i, (image, label, box, ignored) in enumerate(OBJECTS)
    ]
    images = [dict(id=i, file_name=f'{i}.jpg', width=64, height=64) for i in range(4)]
    categories = [dict(id=i, name=name) for i, name in enumerate(CLASSES)]
    coco = dict(images=images, annotations=annotations, categories=categories)
    (root / 'coco.json').write_text(json.dumps(coco))
    return root


@pytest.fixture
def write_config(data, tmp_path):
    """Writes a config for the set in one of the layouts and gives its path."""

    def write(layout='coco', changes=''):
        metric = dict(type='mmdet.CocoMetric', ann_file=str(data / 'coco.json'))
        evaluator = metric if layout == 'coco' else dict(type='mmdet.VOCMetric')
        text = CONFIG
        values = dict(classes=CLASSES, root=f'{data}/', set=layout, evaluator=evaluator)
        for name, value in values.items():
            text = text.replace(f'{{{name}}}', value if name == 'set' else repr(value))
            text = text.replace(f'{{{name}!r}}', repr(value))
        path = tmp_path / f'{layout}.py'
        path.write_text(text + changes)
        return path

    return write


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """A random network's."""
    text = CONFIG.split('test_pipeline')[0]
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromstring(text, '.py').model)
    model.init_weights()
    path = tmp_path_factory.mktemp('weights') / 'random.pth'
    torch.save(dict(state_dict=model.state_dict()), path)
    return path


@pytest.fixture
def predictions(tmp_path):
    """A file of predictions: image 0 half found, 1 as well, 2 not at all, 3 has nothing."""
    found = [
        (0, 0, (4, 4, 20, 20), 0.9),
        (0, 1, (4, 44, 10, 10), 0.5),
        (1, 1, (10, 30, 30, 30), 0.8),
        (1, 2, (42, 6, 10, 10), 0.8),  # inside what does not count
    ]
    entries = []
    for image in range(4):
        rows = [row for row in found if row[0] == image]
        boxes = [(x, y, x + w, y + h) for _, _, (x, y, w, h), _ in rows]
        entries.append(
            dict(
                img_id=image,
                pred_instances=dict(
                    bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
                    labels=torch.tensor([row[1] for row in rows], dtype=torch.int64),
                    scores=torch.tensor([row[3] for row in rows]),
                ),
            )
        )
    path = tmp_path / 'kept.pkl'
    mmengine.dump(entries, str(path))
    return path


@pytest.fixture
def analyze(load_script, call_script, tmp_path):
    """Runs the tool in this process: exit code, what it printed, and its folder of results."""

    def call(*args, out='out'):
        tool = load_script(SCRIPT)  # anew: its console writes to the stdout of this test
        out_dir = tmp_path / out
        return *call_script(tool, *args, '--out-dir', out_dir), out_dir

    return call


def results_of(folder):
    return json.loads((folder / 'results.json').read_text())


def test_tests_draws_and_reads_its_own_predictions(write_config, checkpoint, analyze):
    config = write_config()
    code, printed, folder = analyze(config, checkpoint, '--num', 2, '--score-thr', 0)
    assert code == 0, printed.err
    assert printed.out.index('average precision') < printed.out.index('classes')
    results = results_of(folder)
    assert results['images'] == 4 and results['detections'] == 40
    assert results['score_threshold'] == 0
    # By the areas that the evaluator's file names, not by those of the boxes.
    assert results['objects'] == dict(all=4, small=0, medium=4, large=0, ignored=1)
    assert [row['name'] for row in results['classes']] == list(CLASSES)
    assert results['classes'][2]['AP'] is None
    ranked = results['ranked_images']
    assert [row['f1'] for row in ranked] == sorted(row['f1'] for row in ranked)
    shown = {'worst': ranked[:2], 'best': ranked[:-3:-1]}
    pictures = {name: [row[f'picture_{name}'] for row in rows] for name, rows in shown.items()}
    for name, paths in pictures.items():
        assert sorted(p.name for p in (folder / name).iterdir()) == [Path(p).name for p in paths]
        assert cv2.imread(str(folder / f'{name}.png')) is not None
        for path in paths:
            assert cv2.imread(str(folder / path)).shape[1] == 3 * 480 + 2 * 14 + 2 * 16
    for name in ('precision_recall.png', 'scores.png', 'classes.csv', 'images.csv', 'worst.png'):
        assert str(folder / name) in printed.out
        assert (folder / name).stat().st_size > 100
    assert not (folder / 'precision_recall_classes.png').exists(), 'three classes need no more'
    with (folder / 'images.csv').open() as file:
        assert [row['path'] for row in csv.DictReader(file)] == [row['path'] for row in ranked]

    kept = folder / 'predictions.pkl'
    code, printed, again = analyze(
        config, '--predictions', kept, '--num', 1, '--score-thr', 0, out='again'
    )
    assert code == 0, printed.err
    first, second = results_of(folder), results_of(again)
    for results in (first, second):
        for name in ('checkpoint', 'predictions', 'ranked_images'):
            del results[name]
    assert first == second
    (card,) = (again / 'worst').iterdir()
    assert cv2.imread(str(card)).shape[1] == 2 * 480 + 14 + 2 * 16, 'no network, no heat-map'


def test_heat_maps_with_kept_predictions(write_config, checkpoint, predictions, analyze):
    code, printed, folder = analyze(
        write_config(), checkpoint, '--predictions', predictions, '--num', 1
    )
    assert code == 0, printed.err
    assert 'testing' not in printed.out and not (folder / 'predictions.pkl').exists()
    (card,) = (folder / 'best').iterdir()
    assert cv2.imread(str(card)).shape[1] > 1400


@pytest.mark.parametrize('layout', ['coco', 'voc'])
def test_numbers_and_ranks(write_config, predictions, analyze, layout):
    code, printed, folder = analyze(write_config(layout), '--predictions', predictions)
    assert code == 0, printed.err
    results = results_of(folder)
    # disc: 1 of 2 found, box: the second of two, after nothing false with a higher score.
    half = 51 / 101
    assert results['metrics']['AP'] == pytest.approx(half)
    assert [row['AP50'] for row in results['classes']] == [pytest.approx(half)] * 2 + [None]
    assert results['objects']['ignored'] == 1
    assert results['score_threshold'] == pytest.approx(0.8)
    assert [(Path(r['path']).name, r['f1']) for r in results['ranked_images']] == [
        ('2.jpg', 0),
        ('0.jpg', pytest.approx(2 / 3)),
        ('1.jpg', 1),
    ]
    assert results['at_threshold']['detections']['ignored'] == 1
    small = results['objects']['small']
    assert small == (0 if layout == 'coco' else 3), 'the area of a mask, that of a box'


def test_counts_as_many_detections_as_the_metric(write_config, predictions, analyze):
    few = ('--cfg-options', 'test_evaluator.proposal_nums=[0,0,0]')
    code, printed, folder = analyze(write_config(), '--predictions', predictions, *few)
    assert code == 0, printed.err
    assert results_of(folder)['metrics']['AP50'] == 0


def test_wrapped_datasets(write_config, checkpoint, analyze):
    changes = """
both = [dict(type='RepeatDataset', times=2, dataset=voc), dict(voc, indices=1)]
test_dataloader['dataset'] = dict(type='mmdet.ConcatDataset', datasets=both)
"""
    code, printed, folder = analyze(write_config('voc', changes), checkpoint, '--num', 9)
    assert code == 0, printed.err
    results = results_of(folder)
    assert results['images'] == 9 and results['objects']['all'] == 10
    assert len(list((folder / 'worst').iterdir())) == len(results['ranked_images']) >= 7


def test_many_classes_and_one(write_config, predictions, analyze):
    code, printed, folder = analyze(
        write_config('voc'),
        *('--predictions', predictions, '--num', 0, '--cfg-options'),
        f'test_dataloader.dataset.metainfo.classes={(*CLASSES, *"abcdefg")}'.replace(' ', ''),
    )
    assert code == 0, printed.err
    assert (folder / 'precision_recall_classes.png').is_file()
    assert not list((folder / 'worst').iterdir()) and 'worst.png' not in printed.out
    one = mmengine.load(str(predictions))
    for entry in one:
        chosen = entry['pred_instances']['labels'] == 0
        entry['pred_instances'] = {k: v[chosen] for k, v in entry['pred_instances'].items()}
    mmengine.dump(one, str(predictions))
    code, printed, folder = analyze(
        write_config('voc'),
        *('--predictions', predictions, '--cfg-options'),
        "test_dataloader.dataset.metainfo.classes=('disc',)",
        out='one',
    )
    assert code == 0, printed.err
    assert [row['name'] for row in results_of(folder)['classes']] == ['disc']


def test_mistakes_get_one_sentence(write_config, predictions, checkpoint, analyze, tmp_path):
    config = write_config()
    (tmp_path / 'foreign.pkl').write_bytes(b'cos\nsystem\n(S"exit 7"\ntR.')
    (tmp_path / 'none.py').write_text('model = dict()\n')
    other = dict(images=[dict(id=77, file_name='a', width=1, height=1)], annotations=[])
    other['categories'] = [dict(id=i, name=name) for i, name in enumerate(CLASSES)]
    (tmp_path / 'other.json').write_text(json.dumps(other))
    kept, classes = ('--predictions', predictions), 'test_dataloader.dataset.metainfo.classes'
    cases = [
        ([config], 'a checkpoint is needed to test, or --predictions'),
        ([config, 'no.pth'], "checkpoint 'no.pth' does not exist"),
        ([config, '--predictions', 'no.pkl'], "predictions 'no.pkl' does not exist"),
        ([config, *kept, '--num', '-1'], '--num must not be negative'),
        (['no.py', *kept], "config 'no.py' does not exist"),
        ([tmp_path / 'none.py', *kept], 'has no test_dataloader'),
        ([config, '--predictions', tmp_path / 'foreign.pkl'], 'it asks for os.system'),
        ([config, '--predictions', checkpoint], 'is no file of predictions'),
        (
            [config, *kept, '--cfg-options', 'test_dataloader.dataset.indices=3'],
            'has predictions for 4 images',
        ),
        (
            [config, *kept, '--cfg-options', f'test_evaluator.ann_file={tmp_path}/other.json'],
            'has no image with the id 0',
        ),
        (
            [config, *kept, '--cfg-options', 'test_evaluator.ann_file=no.json'],
            "ann_file of test_evaluator 'no.json' does not exist",
        ),
        (
            [write_config('voc'), *kept, '--cfg-options', f'{classes}=("x",)'],
            'the test set has no annotated objects',
        ),
    ]
    for args, sentence in cases:
        code, printed, _ = analyze(*args)
        assert code == 2 and sentence in printed.err, (args, printed.err)
        assert printed.err.startswith('error: ') and printed.err.count('\n') == 1


@pytest.mark.parametrize('tested', [True, False])
def test_incomplete_weights(write_config, checkpoint, predictions, analyze, tmp_path, tested):
    state = torch.load(checkpoint, weights_only=True)['state_dict']
    del state['bbox_head.heads.0.heatmap.2.bias']
    torch.save(dict(state_dict=state), tmp_path / 'less.pth')
    kept = () if tested else ('--predictions', predictions)
    code, printed, _ = analyze(write_config(), tmp_path / 'less.pth', *kept)
    assert code == 2 and 'of another architecture than the config' in printed.err


@pytest.mark.door
def test_started_as_a_user_does_without_a_display(write_config, predictions, tmp_path):
    env = {k: v for k, v in os.environ.items() if k not in ('DISPLAY', 'MPLBACKEND', 'PYTHONPATH')}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(write_config()), '--predictions', str(predictions)],
        cwd=tmp_path,
        env=env | {'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert 'average precision' in done.stdout
    assert (tmp_path / 'analysis/worst.png').is_file()
