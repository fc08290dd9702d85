"""The example of docs/your_own_property.md as its reader would run it, on a small set of comets."""

import json
import os
import pickle
import sys

import pytest
from comets import write_comets

from .conftest import ROOT, output, run_process

pytestmark = pytest.mark.door
CONFIG = ROOT / 'docs' / 'examples' / 'velocity_config.py'
# A small network for one epoch. The set lies where the demo's config looks for it.
SMALL = (
    'model.backbone.base_channels=8',
    'model.neck.in_channels=64',
    'model.neck.deconv_channels=[16,16]',
    'model.bbox_head.in_channels=16',
    'model.bbox_head.feat_channels=16',
    'model.test_cfg.max_per_img=10',
    'train_dataloader.batch_size=2',
    'param_scheduler=[]',
    'train_cfg.max_epochs=1',
    'default_hooks.logger.interval=1',
)

INFERENCER = """
import sys
import centernet_plugin  # before mmdet, as the README says
from mmdet.apis import DetInferencer
config, checkpoint, image = sys.argv[1:]
inferencer = DetInferencer(config, checkpoint, device='cpu')
raw = inferencer(image, out_dir='out', return_datasamples=True)['predictions'][0]
assert raw.pred_instances.velocity.shape == (10, 2)
found = inferencer(image, out_dir='out', pred_score_thr=0.0, no_save_pred=False)
assert len(found['predictions'][0]['bboxes']) == 10
"""


def start(folder, *command, **settings):
    """Python on ``command`` in ``folder``, with the example where PYTHONPATH names it."""
    path = os.pathsep.join(map(str, (CONFIG.parent, ROOT)))
    return run_process(sys.executable, *command, cwd=folder, PYTHONPATH=path, **settings)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """The folder that it is trained in."""
    folder = tmp_path_factory.mktemp('velocity')
    write_comets(folder / 'work_dirs/demo/data', images=4)
    return folder


@pytest.fixture(scope='module')
def checkpoint(folder):
    command = (ROOT / 'tools/train.py', CONFIG, '--work-dir', 'run', '--cfg-options')
    text = output(start(folder, *command, *SMALL))
    assert 'loss_velocity: ' in text and 'Epoch(train) [1][2/2]' in text
    return folder / 'run' / 'epoch_1.pth'


@pytest.mark.parametrize('mode', [(), ('--tta', '--fast')], ids=['plain', 'mirrored, fast'])
def test_tests_keep_the_property_of_every_detection(folder, checkpoint, mode):
    command = (ROOT / 'tools/test.py', CONFIG, checkpoint, *mode, '--out', 'found.pkl')
    text = output(start(folder, *command, '--show-dir', 'drawn', '--cfg-options', *SMALL))
    assert 'coco/bbox_mAP' in text
    samples = pickle.loads((folder / 'found.pkl').read_bytes())
    assert len(samples) == 4
    for sample in samples:
        found = sample['pred_instances']
        assert found['velocity'].shape == (10, 2) and found['velocity'].isfinite().all()
        assert len(found['bboxes']) == 10


def test_mmdets_inferencer_from_the_config_that_training_wrote(folder, checkpoint):
    config = folder / 'run' / CONFIG.name
    image = folder / 'work_dirs/demo/data/val/0.png'
    start(folder, '-c', INFERENCER, config, checkpoint, image)
    assert (folder / 'out' / 'vis' / '0.png').is_file()
    saved = json.loads((folder / 'out' / 'preds' / '0.json').read_text())
    assert len(saved['scores']) == 10


def test_inspection_of_the_set(folder):
    script = ROOT / 'tools' / 'analysis_tools' / 'check_dataset.py'
    result = start(folder, script, CONFIG, '--num', '4', code=None)
    assert result.returncode in (0, 1), result.stderr  # both splits have the same images
    assert 'disc' in result.stdout


def test_field_that_no_annotation_has_is_named(folder):
    option = 'train_dataloader.dataset.fields=[speed]'
    command = (ROOT / 'tools/train.py', CONFIG, '--work-dir', 'mistaken', '--cfg-options')
    result = start(folder, *command, *SMALL, option, code=2)
    assert "has the field 'speed'; they have area, bbox, " in result.stderr
