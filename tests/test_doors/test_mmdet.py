"""mmdet's own entry points with a config of ours, and a stranger's config with one part of ours."""

import json
import re
import sys
from pathlib import Path

import mmdet
import pytest

from .conftest import output

pytestmark = [pytest.mark.door, pytest.mark.usefixtures('written_placeholder')]
SCRIPTS = Path(mmdet.__file__).parent / '.mim' / 'tools'

INFERENCER = """
import json, sys
from mmdet.apis import DetInferencer
config, checkpoint, image = sys.argv[1:]
inferencer = DetInferencer(config, checkpoint, device='cpu')
result = inferencer([image, image], out_dir='out', batch_size=2, no_save_pred=False)
predictions = result['predictions']
assert len(predictions) == 2 and set(predictions[0]) >= {'labels', 'scores', 'bboxes'}
print('RESULT', json.dumps(len(predictions[0]['bboxes'])))
"""
INIT_DETECTOR = """
import json, sys
from mmdet.apis import inference_detector, init_detector
config, checkpoint, image = sys.argv[1:]
model = init_detector(config, checkpoint, device='cpu')
assert type(model).__module__.startswith('centernet_plugin')
sample = inference_detector(model, image)
print('RESULT', json.dumps(len(sample.pred_instances.bboxes)))
"""
ONLY_THE_HEAD = """
custom_imports = None
model = dict(
    type='mmdet.SingleStageDetector',
    data_preprocessor=model['data_preprocessor'],
    backbone=model['backbone'],
    neck=dict(type='mmdet.HRFPN', in_channels=[8, 16, 32, 64], out_channels=16, num_outs=1),
    bbox_head=model['bbox_head'],
    test_cfg=dict(max_per_img=10),
)
"""
# mmdet's own head wants boxes inside of the image, and the key `border` in testing.
ONLY_THE_NECK = """
custom_imports = None
model = dict(
    type='mmdet.CenterNet',
    data_preprocessor=model['data_preprocessor'],
    backbone=model['backbone'],
    neck=model['neck'],
    bbox_head=dict(
        type='mmdet.CenterNetHead',
        num_classes=3,
        in_channels=16,
        feat_channels=16,
        loss_center_heatmap=dict(type='mmdet.GaussianFocalLoss'),
        loss_wh=dict(type='mmdet.L1Loss', loss_weight=0.1),
        loss_offset=dict(type='mmdet.L1Loss'),
    ),
    test_cfg=dict(topk=10, local_maximum_kernel=3, max_per_img=10),
)
train_pipeline[2] = dict(type='mmdet.Resize', scale=(64, 64), keep_ratio=False)
train_dataloader['dataset']['pipeline'] = train_pipeline
"""


def test_train_script(run, config, tmp_path):
    result = run(sys.executable, SCRIPTS / 'train.py', config)
    assert 'bbox_mAP' in output(result)
    assert (tmp_path / 'work_dirs' / 'tiny' / 'epoch_1.pth').is_file()


def test_test_script(run, config, checkpoint):
    result = run(sys.executable, SCRIPTS / 'test.py', config, checkpoint)
    assert re.search(r'coco/bbox_mAP: -?\d', output(result))


@pytest.mark.parametrize('program', [INFERENCER, INIT_DETECTOR], ids=['inferencer', 'init'])
def test_inference(run, config, checkpoint, data_root, program):
    result = run(sys.executable, '-c', program, config, checkpoint, f'{data_root}images/0.png')
    line = next(line for line in result.stdout.splitlines() if line.startswith('RESULT '))
    assert 0 <= json.loads(line.split()[1]) <= 10


@pytest.mark.parametrize(
    'changes', [ONLY_THE_HEAD, ONLY_THE_NECK], ids=['only the head', 'only the neck']
)
def test_one_part_in_another_detector(run, write_config, changes, tmp_path):
    config = write_config('custom', changes)
    result = run(sys.executable, SCRIPTS / 'train.py', config)
    assert 'bbox_mAP' in output(result)
