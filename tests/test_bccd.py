"""A short real run on photographs: train a little, then test, as the README says.

The pictures are other people's and not in the repository. The test runs where ``BCCD_ROOT`` names
the folder of the set, or ``data/bccd`` has it.
"""

import json
import os
import pickle
import re
import runpy
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / 'configs/centernet/centernet_r18_1xb4-crop256-24e_bccd.py'
DATA = Path(os.environ.get('BCCD_ROOT', ROOT / 'data/bccd')).absolute()

pytestmark = pytest.mark.skipif(
    not (DATA / 'coco_json/instances_train.json').is_file(),
    reason='the BCCD set is not here; BCCD_ROOT names its folder',
)


def run(script, *args):
    command = [sys.executable, str(ROOT / 'tools' / script), str(CONFIG), *map(str, args)]
    env = os.environ | {'BCCD_ROOT': str(DATA)}
    result = subprocess.run(command, capture_output=True, text=True, env=env, timeout=300)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout + result.stderr


def test_trains_and_tests(tmp_path):
    small = [
        'train_dataloader.dataset.indices=16',
        'test_dataloader.dataset.indices=4',
        'train_cfg.max_epochs=1',
        'train_cfg.val_interval=99',
        'default_hooks.logger.interval=1',
    ]
    log = run('train.py', '--work-dir', tmp_path, '--cfg-options', *small)
    losses = [float(value) for value in re.findall(r' loss: ([\d.]+)', log)]
    assert len(losses) == 4 and losses[-1] < losses[0] * 1.5
    # Nearly nothing: CocoMetric counts the objects of all 72 images, and four were tested.
    log = run('test.py', tmp_path / 'epoch_1.pth', '--work-dir', tmp_path, '--cfg-options', *small)
    (ap,) = re.findall(r'coco/bbox_mAP: (-?[\d.]+)', log)
    assert 0 <= float(ap) <= 1


@pytest.mark.slow
def test_an_exported_file_detects_as_the_pipeline_on_photographs(tmp_path):
    """A network that has seen some cells: of scores at random, rounding would decide the order."""
    pytest.importorskip('onnxscript', reason="needs pip install -e '.[deploy]'")
    onnxruntime = pytest.importorskip('onnxruntime', reason="needs pip install -e '.[deploy]'")
    small = [
        'train_dataloader.dataset.indices=16',
        'test_dataloader.dataset.indices=3',
        'train_cfg.max_epochs=2',
        'train_cfg.val_interval=99',
    ]
    run('train.py', '--work-dir', tmp_path, '--cfg-options', *small)
    checkpoint, exported = tmp_path / 'epoch_2.pth', tmp_path / 'cells.onnx'
    run('deployment/export_onnx.py', checkpoint, exported)
    found = []
    for script, file in (('test.py', checkpoint), ('deployment/test_onnx.py', exported)):
        out = tmp_path / f'{len(found)}.pkl'
        run(script, file, '--work-dir', tmp_path, '--out', out, '--cfg-options', small[1])
        found.append(pickle.loads(out.read_bytes()))
    session = onnxruntime.InferenceSession(exported, providers=['CPUExecutionProvider'])
    about = session.get_modelmeta().custom_metadata_map
    about = {name: json.loads(text) for name, text in about.items()}
    short = runpy.run_path(str(ROOT / 'docs/examples/onnx_boxes.py'))['detect']
    for theirs, ours in zip(*found, strict=True):
        image = cv2.imread(ours['img_path'])
        theirs, ours = theirs['pred_instances'], ours['pred_instances']
        alone, scores, _ = short(session, about, image)
        assert scores == pytest.approx(ours['scores'].numpy(), abs=1e-6)
        height, width = image.shape[:2]
        inside = alone.clip(0, np.float32([width, height] * 2))
        assert inside == pytest.approx(ours['bboxes'].numpy(), abs=1e-3)
        assert ours['scores'].numpy() == pytest.approx(theirs['scores'].numpy(), abs=1e-4)
        apart = (theirs['scores'][:-1] - theirs['scores'][1:] > 2e-4).numpy()
        first = apart.argmin() if not apart.all() else len(apart)
        boxes = [x['bboxes'][:first].numpy() for x in (ours, theirs)]
        assert boxes[0] == pytest.approx(boxes[1], abs=0.05)
