"""VOC from its files to mmdet's VOCMetric, with numbers by hand."""

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from mmdet.registry import DATASETS, METRICS
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from perfect_network import make_perfect
from voc_devkit import make_voc

from centernet_plugin.engine.test_modes import use_mode

CONFIG = (
    Path(__file__).parents[2] / 'configs/centernet/centernet_r18-dcnv2_1xb32-warp384-70e_voc0712.py'
)
AEROPLANE, BICYCLE, BIRD = range(3)
IMAGES = [  # class, difficult, corners from 1 and to the last pixel
    [('aeroplane', 1, 11, 11, 60, 60), ('aeroplane', 0, 81, 11, 120, 50)],
    [('aeroplane', 0, 31, 21, 130, 101), ('bicycle', 0, 41, 31, 90, 81)],
    [('bird', 0, 1, 1, 60, 71), ('bird', 1, 71, 41, 160, 120), ('bicycle', 1, 11, 81, 41, 120)],
]


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A VOC config, tested on IMAGES."""
    # A runner sets mmdet's scope for good, in which later tests would not miss a prefix.
    monkeypatch.setattr(DefaultScope, '_instance_dict', OrderedDict())
    make_voc(tmp_path, {('2007', 'test'): IMAGES})
    config = Config.fromfile(CONFIG)
    config.test_dataloader.update(num_workers=0, persistent_workers=False)
    config.test_dataloader.dataset.data_root = str(tmp_path)
    config.work_dir, config.experiment_name = str(tmp_path / 'run'), tmp_path.name
    return config


@pytest.mark.parametrize('mode', ['plain', 'flip'])
def test_perfect_detections(config, mode):
    """Difficult objects are detected as well, with better scores, and do not count."""
    make_perfect(config)
    config.test_dataloader.batch_size = 2
    config.test_evaluator.iou_thrs = [0.5, 0.75, 0.9]
    use_mode(config, mode)
    numbers = Runner.from_cfg(config).test()
    assert numbers == {f'pascal_voc/{key}': 1 for key in ('mAP', 'AP50', 'AP75', 'AP90')}


def evaluate(config, found, **options):
    """VOCMetric's numbers of the test set with these (label, box, score) in its images."""
    init_default_scope('mmdet')
    dataset = DATASETS.build(config.test_dataloader.dataset)
    metric = METRICS.build(dict(config.test_evaluator, **options))
    metric.dataset_meta = dataset.metainfo
    for item, rows in zip(dataset, found, strict=True):
        sample = item['data_samples']
        for instances in (sample.gt_instances, sample.ignored_instances):
            instances.bboxes = instances.bboxes.tensor  # as the detector's predict leaves them
        labels, boxes, scores = zip(*rows, strict=True) if rows else ((), (), ())
        sample.pred_instances = InstanceData(
            labels=torch.tensor(labels, dtype=torch.long),
            bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
            scores=torch.tensor(scores, dtype=torch.float32),
        )
        metric.process({}, [sample.to_dict()])
    return metric.evaluate(len(dataset))


def test_difficult_objects_are_neither_hits_nor_misses(config):
    found = [
        [
            (AEROPLANE, [10, 10, 59, 59], 0.95),  # the difficult one: neutral
            (AEROPLANE, [10, 10, 59, 59], 0.9),  # found again: neutral
            (AEROPLANE, [80, 10, 119, 49], 0.8),  # hit
            (AEROPLANE, [10, 70, 40, 110], 0.7),  # miss
            (AEROPLANE, [80, 10, 119, 49], 0.5),  # found again: miss
        ],
        [(AEROPLANE, [30, 20, 129, 100], 0.6)],  # hit
        [(BICYCLE, [10, 80, 40, 119], 0.3)],  # difficult: neutral
    ]
    # Recall 1/2 at precision 1, recall 1 at precision 2/3: 6 and 5 of the 11 points.
    aeroplane = (6 + 5 * 2 / 3) / 11
    # The other two classes have an object each, which is not found; 17 have none and do not count.
    numbers = evaluate(config, found)
    assert numbers['pascal_voc/mAP'] == pytest.approx(aeroplane / 3)
    area = evaluate(config, found, eval_mode='area')
    assert area['pascal_voc/mAP'] == pytest.approx((1 / 2 + 2 / 3 / 2) / 3)


def test_last_pixels_belong_to_boxes(config):
    """The left half of 40 pixels overlaps by a half; without them by 19 of 39."""
    half = [(AEROPLANE, [80, 10, 99, 49], 0.9)]
    assert evaluate(config, [half, [], []])['pascal_voc/mAP'] > 0
    less = [(AEROPLANE, [80, 10, 98.9, 49], 0.9)]
    assert evaluate(config, [less, [], []])['pascal_voc/mAP'] == 0
