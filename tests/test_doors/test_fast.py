"""The switches that make training and testing faster, from the scripts."""

import sys

import numpy as np
import pytest
import torch

from .conftest import ROOT, output
from .test_tta import detections

pytestmark = pytest.mark.door
TRAIN, TEST = ROOT / 'tools' / 'train.py', ROOT / 'tools' / 'test.py'


def test_fast_gives_the_same_detections(run, config, checkpoint, tmp_path):
    run(sys.executable, TEST, config, checkpoint, '--out', 'plain.pkl')
    run(sys.executable, TEST, config, checkpoint, '--out', 'fast.pkl', '--fast')
    plain, fast = (detections(tmp_path / f'{name}.pkl') for name in ('plain', 'fast'))
    assert plain.keys() == fast.keys() and len(plain) == 4
    for image, rows in plain.items():
        # After one epoch scores are nearly equal, and boxes next to each other may change places.
        np.testing.assert_allclose(rows[:, 4], fast[image][:, 4], atol=1e-5)
    assert any((rows != fast[image]).any() for image, rows in plain.items())


def test_training_with_every_switch(run, write_config, checkpoint, tmp_path):
    config = write_config(
        'switches', "custom_hooks = [dict(type='centernet_plugin.AccelerateHook')]\n"
    )
    result = run(sys.executable, TRAIN, config, '--amp', '--work-dir', 'run')
    assert 'AutocastOptimWrapper' in output(result) and 'bbox_mAP' in output(result)
    weights, usual = (
        torch.load(path, weights_only=False)['state_dict']
        for path in (tmp_path / 'run' / 'epoch_1.pth', checkpoint)
    )
    assert list(weights) == list(usual)
    assert {value.dtype for value in weights.values()} == {torch.float32, torch.int64}
