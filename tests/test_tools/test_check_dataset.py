"""The dataset check as a user starts it: what it prints and writes, and its exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope

from centernet_plugin.errors import UserInputError

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / 'tools/analysis_tools/check_dataset.py'
sys.path.insert(0, str(ROOT / 'tests/test_datasets/test_inspection'))
from tiny_set import IMAGES, TinySet  # noqa: E402


@pytest.fixture
def tool(load_script):
    module = load_script(SCRIPT)
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield module


@pytest.fixture
def run(tool, call_script, tmp_path, monkeypatch):
    """``run(tiny, *args)`` checks a set; returns the exit code and what was printed."""
    monkeypatch.setattr(tool, 'console', tool.Console(highlight=False, width=400))

    def call(tiny, *args):
        tiny.write()
        tiny.config.dump(tmp_path / 'config.py')
        code, printed = call_script(
            tool, tmp_path / 'config.py', '--out-dir', tmp_path / 'out', *args
        )
        return code, printed.out + printed.err

    return call


def test_a_clean_set(run, tmp_path):
    tiny = TinySet(tmp_path)
    code, text = run(tiny, '--num', '3', '--samples', '5')
    assert code == 0
    assert 'Nothing found that is wrong.' in text
    assert f'{IMAGES} images' in text and f'{4 * IMAGES} objects' in text
    report = json.loads((tmp_path / 'out/train.json').read_text())
    assert report['findings'] == [] and report['files'] == dict(
        checked=IMAGES, missing=0, unreadable=0, other_size=0, same_content=0
    )
    assert [row['objects'] for row in report['classes']] == [2 * IMAGES] * 2
    assert report['grid']['in training']['objects'] == 4 * 5
    for name in ('train_images.png', 'train_histograms.png'):
        assert str(tmp_path / 'out' / name) in text
        assert min(cv2.imread(str(tmp_path / 'out' / name)).shape[:2]) > 300


def test_warnings_leave_the_exit_code_and_errors_do_not(run, tmp_path):
    tiny = TinySet(tmp_path)
    tiny.data['categories'].append(dict(id=3, name='fi[s]h'))
    tiny.add([40, 40, 10, 10], category=3, iscrowd=1)
    code, text = run(tiny, '--split', 'val', '--num', '1')
    assert code == 0
    assert 'fi[s]h (not in config)' in text and '1 dropped: its class' in text
    assert '1 warning: it trains; read the warnings first.' in text
    assert (tmp_path / 'out/val_images.png').is_file()

    (tmp_path / 'img/03.jpg').unlink()
    code, text = run(tiny, '--samples', '24', '--num', '2')
    assert code == 1
    assert '1 image file of 12 not there' in text and '03.jpg' in text
    assert 'correct the errors before you train' in text
    report = json.loads((tmp_path / 'out/train.json').read_text())
    assert [f['key'] for f in report['findings'] if f['severity'] == 'error'] == [
        'missing-files',
        'pipeline',
    ]


def test_a_set_that_does_not_load_is_reported_all_the_same(run, tmp_path):
    tiny = TinySet(tmp_path)
    code, text = run(
        tiny, '--cfg-options', 'train_dataloader.dataset.metainfo.classes=("dog","cat")'
    )
    assert code == 1
    assert 'The dataset does not load: classes are in another order' in text
    assert 'Of the annotation file' in text and f'{4 * IMAGES} objects' in text
    assert not (tmp_path / 'out/train_images.png').exists()
    assert (tmp_path / 'out/train_histograms.png').is_file()


def test_crowds_are_shown_as_the_head_takes_them(tool, run, tmp_path):
    tiny = TinySet(tmp_path)
    tiny.add([36, 36, 24, 24], image=3, iscrowd=1)
    pictures = {}
    for rule in ('ignore', 'object'):
        tiny.config.model.train_cfg = dict(crowd=rule)
        assert run(tiny, '--num', '1')[0] == 0
        pictures[rule] = cv2.imread(str(tmp_path / 'out/train_images.png')).astype(int)
    right = [picture[:, picture.shape[1] // 2 :] for picture in pictures.values()]
    # The middle of the targets is hatched grey, or glows; corners differ in nothing.
    assert abs(right[0] - right[1]).max() > 100
    assert (right[0][30:100] == right[1][30:100]).all()


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        (['--split', 'val', '--cfg-options', 'val_dataloader=None'], 'has no val_dataloader'),
        (['--num', '0'], '--num and --samples must be positive'),
        (['--cfg-options', 'train_dataloader.dataset.ann_file=no.json'], "no.json' does not exist"),
        (['--cfg-options', 'model.bbox_head.init_rule=none'], 'the head does not build'),
        (['--cfg-options', 'model.bbox_head.heads=3'], 'the head does not build'),
    ],
)
def test_mistakes_get_one_sentence(run, tmp_path, change, sentence):
    code, text = run(TinySet(tmp_path), *change)
    assert code == 2
    assert text.count('error: ') == 1 and sentence in text


def test_truncated_annotations(run, tmp_path):
    tiny = TinySet(tmp_path)
    tiny.dataset().ann_file = 'cut.json'
    tiny.write('cut.json')
    path = tmp_path / 'cut.json'
    path.write_text(path.read_text()[:-30])
    code, text = run(tiny)
    assert code == 2 and "cut.json' is not JSON" in text and 'copy it again' in text


def test_options_of_heads(tool):
    ours = dict(type='centernet_plugin.CenterNetHead', num_classes=3, in_channels=64, stride=8)
    model = dict(bbox_head=ours, train_cfg=dict(crowd='object'), test_cfg=dict(topk=50))
    _, options = tool.read_model(Config(dict(model=model)))
    assert (options.stride, options.num_classes, options.max_per_img) == (8, 3, 50)
    assert options.crowds_are_objects and not options.stand_in_for

    head, options = tool.read_model(Config(dict(model=dict(bbox_head=dict(type='CenterNetHead')))))
    assert options.stand_in_for == 'CenterNetHead', "mmdet's, as a run would take it"
    assert head.stride == options.stride == 4
    assert tool.read_model(Config(dict()))[1].stand_in_for == ''
    with pytest.raises(UserInputError):
        tool.read_model(Config(dict(model=dict(bbox_head=ours, test_cfg=dict(top=1)))))


@pytest.mark.door
def test_as_a_script(tmp_path):
    tiny = TinySet(tmp_path)
    tiny.write()
    tiny.config.dump(tmp_path / 'config.py')
    done = subprocess.run(
        [sys.executable, str(SCRIPT), 'config.py', '--num', '1', '--samples', '2', '--full'],
        cwd=tmp_path,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert 'Nothing found that is wrong.' in done.stdout
    assert sorted(p.name for p in (tmp_path / 'check').iterdir()) == [
        'train.json',
        'train_histograms.png',
        'train_images.png',
    ]
