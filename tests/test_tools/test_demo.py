"""The main job, started as a user starts it, on a set of a few images."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.door


def _demo(*args):
    return subprocess.run(
        [sys.executable, 'tools/demo.py', *map(str, args)],
        cwd=ROOT,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_trains_evaluates_draws_and_goes_on(tmp_path):
    few = ['--cfg-options', 'num_train=16', 'num_val=14', 'image_size=(96,96)']
    first = _demo('--work-dir', tmp_path / 'run', '--epochs', 1, *few)
    assert first.returncode == 0, first.stderr
    assert 'epoch   1 / 1' in first.stdout
    results = json.loads((tmp_path / 'run' / 'results.json').read_text())
    assert 0 <= results['metrics']['AP50'] <= 1
    assert set(results['classes']) == {'disc', 'box', 'star'}
    assert set(results['seconds']) == {'data', 'training', 'evaluation', 'pictures'}
    assert len(results['pictures']) == 9
    for path in results['pictures']:
        assert path in first.stdout
        assert min(cv2.imread(path).shape[:2]) > 400

    second = _demo('--work-dir', tmp_path / 'run', '--epochs', 1, *few)
    assert second.returncode == 0, second.stderr
    assert 'going on from the last checkpoint' in second.stdout
    assert 'epoch   1 / 1' not in second.stdout
    again = json.loads((tmp_path / 'run' / 'results.json').read_text())
    assert again['metrics'] == results['metrics']


@pytest.mark.parametrize(
    ('args', 'sentence'),
    [
        (['--epochs', '0'], '--epochs must be at least 1'),
        (['--config', 'nowhere.py'], "config 'nowhere.py' does not exist"),
        (['--cfg-options', 'num_val=0'], 'at least one image per split'),
    ],
)
def test_mistakes_get_one_sentence(tmp_path, args, sentence):
    done = _demo('--work-dir', tmp_path / 'run', *args)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert 'Traceback' not in done.stderr
