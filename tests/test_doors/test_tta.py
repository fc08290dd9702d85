"""Testing with augmentation, from every script that can: the same detections."""

import json
import pickle
import re
import sys

import numpy as np
import pytest

from .conftest import ROOT, output
from .test_mmdet import SCRIPTS

pytestmark = pytest.mark.door
TTA = """
tta_model = dict(type='centernet_plugin.CenterNetTTA')
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='centernet_plugin.KeepResPad', scale=scale) for scale in (0.5, 1.0, 1.5)],
            [dict(type='mmdet.LoadAnnotations', with_bbox=True)],
            [dict(type='mmdet.PackDetInputs', meta_keys=meta_keys)],
        ],
    ),
]
"""


@pytest.fixture(scope='module')
def tta_config(write_config):
    return write_config('tta', TTA)


def detections(path):
    """What ``--out`` kept: for every image rows x1 y1 x2 y2 score label."""
    images = {}
    for sample in pickle.loads(path.read_bytes()):
        found = sample['pred_instances']
        columns = found['bboxes'], found['scores'][:, None], found['labels'][:, None]
        images[sample['img_id']] = np.concatenate(columns, axis=1)
    return images


def test_our_script_and_mmdet_s_agree(run, tta_config, checkpoint, tmp_path, written_placeholder):
    ours = output(
        run(
            *(sys.executable, ROOT / 'tools' / 'test.py', tta_config, checkpoint),
            *('--tta', '--out', 'ours.pkl'),
        )
    )
    theirs = output(
        run(
            *(sys.executable, SCRIPTS / 'test.py', tta_config, checkpoint),
            *('--tta', '--out', 'theirs.pkl', '--cfg-options', 'test_dataloader.batch_size=3'),
        )
    )
    aps = [re.search(r'coco/bbox_mAP: (-?[\d.]+)', text).group(1) for text in (ours, theirs)]
    assert aps[0] == aps[1]
    ours, theirs = (detections(tmp_path / f'{name}.pkl') for name in ('ours', 'theirs'))
    assert len(ours) == 4 and ours.keys() == theirs.keys()
    for image, rows in ours.items():
        assert len(rows) == 10
        np.testing.assert_allclose(rows, theirs[image], atol=1e-3)


@pytest.mark.slow
def test_mirrored_is_not_plain(run, tta_config, checkpoint, tmp_path):
    command = (sys.executable, ROOT / 'tools' / 'test.py', tta_config, checkpoint)
    run(*command, '--out', 'plain.pkl')
    run(*command, '--out', 'flip.pkl', '--test-mode', 'flip')
    plain, flip = (detections(tmp_path / f'{name}.pkl') for name in ('plain', 'flip'))
    assert len(plain) == 4 and plain.keys() == flip.keys()
    for image, rows in plain.items():
        assert rows.shape == flip[image].shape == (10, 6)
        assert np.abs(rows - flip[image]).max() > 1e-3


def test_table_of_test_modes(run, tta_config, checkpoint, tmp_path):
    script = ROOT / 'tools' / 'analysis_tools' / 'compare_test_modes.py'
    result = run(sys.executable, script, tta_config, checkpoint, '--work-dir', 'modes')
    assert 'UserWarning' not in result.stderr and 'visualizer' not in result.stderr
    text = output(result)
    results = json.loads((tmp_path / 'modes' / 'test_modes.json').read_text())
    assert list(results) == ['plain', 'flip', 'multi-scale', 'multi-scale+flip']
    assert results['multi-scale+flip']['ms'] > results['plain']['ms'] > 0
    for mode, row in results.items():
        assert re.search(
            rf'{re.escape(mode)} │ {max(row["coco/bbox_mAP"], 0) * 100:.1f} .* {row["ms"]:.1f} │ x',
            text,
        )
    assert 'Average Precision' not in text, 'the page of pycocotools is not printed'


def test_config_without_it_says_so(run, config, checkpoint):
    command = (sys.executable, ROOT / 'tools' / 'test.py', config, checkpoint)
    result = run(*command, '--test-mode', 'multi-scale', code=2)
    assert result.stderr.strip().splitlines()[-1].startswith('error: ')
    assert 'tta_pipeline' in result.stderr
