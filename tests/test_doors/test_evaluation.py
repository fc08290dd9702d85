"""Testing from the command line: results for a server, Pascal VOC."""

import json
import re
import sys

import pytest
from voc_devkit import make_voc

from .conftest import ROOT, output

pytestmark = pytest.mark.door
TRAIN, TEST = ROOT / 'tools' / 'train.py', ROOT / 'tools' / 'test.py'


@pytest.mark.slow
def test_results_for_a_server(run, config, checkpoint, tmp_path):
    text = output(
        run(
            *(sys.executable, TEST, config, checkpoint, '--cfg-options'),
            *('test_evaluator.format_only=True', 'test_evaluator.outfile_prefix=to_send/results'),
        )
    )
    assert 'coco/bbox_mAP' not in text
    results = json.loads((tmp_path / 'to_send/results.bbox.json').read_text())
    assert {row['image_id'] for row in results} == {0, 1, 2, 3}
    assert len(results) == 4 * 10
    assert set(results[0]) == {'image_id', 'bbox', 'score', 'category_id'}


@pytest.mark.slow
def test_voc_from_training_to_map(run, tmp_path):
    images = [[('dog', 0, 20, 11, 90, 80)], [('person', 1, 100, 30, 140, 110)]]
    sets = {('2007', 'trainval'): images, ('2012', 'trainval'): images, ('2007', 'test'): images}
    make_voc(tmp_path / 'VOCdevkit', sets)
    config = ROOT / 'configs/centernet/centernet_r18-dcnv2_1xb32-warp384-70e_voc0712.py'
    loaders = [
        f'{split}_dataloader.{option}'
        for split in ('train', 'val', 'test')
        for option in ('num_workers=0', 'persistent_workers=False')
    ]
    datasets = (
        *('train_dataloader.dataset.datasets.0', 'train_dataloader.dataset.datasets.1'),
        *('val_dataloader.dataset', 'test_dataloader.dataset'),
    )
    options = [
        '--work-dir', 'run',
        '--cfg-options',
        *(f'{dataset}.data_root=VOCdevkit' for dataset in datasets),
        *loaders,
        'train_dataloader.batch_size=4',
        'train_cfg.max_epochs=1',
        'model.backbone.init_cfg=None',
        'model.backbone.base_channels=8',
        'model.neck.in_channels=64',
    ]  # fmt: skip
    text = output(run(sys.executable, TRAIN, config, *options))
    assert 'Epoch(train) [1][1/1]' in text
    trained = re.search(r'pascal_voc/mAP: ([\d.]+)', text).group(1)
    text = output(run(sys.executable, TEST, config, 'run/epoch_1.pth', *options))
    assert re.search(r'\| class \| gts \| dets \| recall \| ap \|', text)
    assert re.search(r'pascal_voc/mAP: ([\d.]+)', text).group(1) == trained
