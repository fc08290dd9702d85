"""Tests of a whole set through a runner, counted by mmdet's CocoMetric."""

import json
import re
from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmdet.registry import METRICS
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from perfect_network import LABELS, SIZES, boxes_in, draw, make_perfect
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from centernet_plugin.engine.test_modes import use_mode

CONFIG = Path(__file__).parents[2] / 'configs/centernet/centernet_r18_8xb16-warp512-140e_coco.py'
CLASSES = ('disc', 'box', 'star')
CATEGORIES = {12: 'disc', 2: 'unused', 7: 'box', 5: 'star'}
WIDER = 1.3  # IoU 1 / 1.3 = 0.77: right at 6 of the 10 thresholds from 0.5 to 0.95


@pytest.fixture
def annotations(tmp_path):
    """The file of a set of four images with objects and one without."""
    images, rows = [], []
    for place, size in enumerate([*SIZES, (64, 64)]):
        boxes = boxes_in(size) if place < len(SIZES) else np.zeros((0, 4))
        name, image_id = f'{place}.png', 50 - 7 * place
        cv2.imwrite(str(tmp_path / name), draw(size, boxes, LABELS[: len(boxes)]))
        images.append(dict(id=image_id, file_name=name, height=size[0], width=size[1]))
        for (x1, y1, x2, y2), label in zip(boxes.tolist(), LABELS, strict=False):
            (category,) = [i for i, c in CATEGORIES.items() if c == CLASSES[label]]
            rows.append(
                dict(
                    id=len(rows) + 1,
                    image_id=image_id,
                    category_id=category,
                    bbox=[x1, y1, x2 - x1, y2 - y1],
                    area=(x2 - x1) * (y2 - y1),
                    iscrowd=0,
                )
            )
    categories = [dict(id=i, name=name) for i, name in CATEGORIES.items()]
    path = tmp_path / 'annotations.json'
    path.write_text(json.dumps(dict(images=images, annotations=rows, categories=categories)))
    return path


@pytest.fixture
def run(annotations, monkeypatch):
    """Tests the perfect network on the set; gives CocoMetric's numbers and the log."""
    # A runner sets mmdet's scope for good, in which later tests would not miss a prefix.
    monkeypatch.setattr(DefaultScope, '_instance_dict', OrderedDict())

    def test(width=1.0, mode='plain', batch_size=1, **evaluator):
        config = make_perfect(Config.fromfile(CONFIG), width)
        config.model.bbox_head.num_classes = len(CLASSES)
        loader = config.test_dataloader
        loader.update(num_workers=0, persistent_workers=False, batch_size=batch_size)
        loader.dataset.update(
            data_root='',
            ann_file=str(annotations),
            data_prefix=dict(img=str(annotations.parent)),
            metainfo=dict(classes=CLASSES),
        )
        config.test_evaluator.update(ann_file=str(annotations), **evaluator)
        config.work_dir = str(annotations.parent / 'run')
        config.experiment_name = annotations.parent.name + mode
        use_mode(config, mode)
        numbers = Runner.from_cfg(config).test()
        log = max(annotations.parent.glob('run/*/*.log'))
        return numbers, log.read_text()

    return test


@pytest.mark.parametrize('batch_size', [1, 3])
def test_perfect_detections(run, batch_size):
    numbers, _ = run(batch_size=batch_size)
    assert numbers['coco/bbox_mAP'] == numbers['coco/bbox_mAP_75'] == 1
    assert numbers['coco/bbox_mAP_s'] == numbers['coco/bbox_mAP_l'] == 1


@pytest.mark.parametrize('mode', ['flip', 'multi-scale', 'multi-scale+flip'])
def test_perfect_detections_of_other_modes(run, mode):
    numbers, _ = run(mode=mode)
    assert numbers['coco/bbox_mAP_75'] == 1
    # Scales cut fractions of pixels, see test_test_pipelines.py.
    assert numbers['coco/bbox_mAP'] == 1 if mode == 'flip' else numbers['coco/bbox_mAP'] > 0.95


def test_boxes_that_are_too_wide(run):
    numbers, _ = run(WIDER)
    assert numbers['coco/bbox_mAP'] == pytest.approx(0.6)
    assert numbers['coco/bbox_mAP_75'] == 1


def test_results_for_a_server_give_the_same_numbers(run, annotations):
    prefix = annotations.parent / 'results'
    numbers, _ = run(WIDER, format_only=True, outfile_prefix=str(prefix))
    assert numbers == {}
    results = json.loads(Path(f'{prefix}.bbox.json').read_text())
    truth = COCO(str(annotations))
    assert {row['image_id'] for row in results} == set(truth.imgs)
    assert {row['category_id'] for row in results} == {5, 7, 12}
    best = max((row for row in results if row['image_id'] == 50), key=lambda row: row['score'])
    x1, y1, x2, y2 = boxes_in(SIZES[0])[0]
    wide = (x2 - x1) * WIDER
    assert best['category_id'] == 12
    assert best['bbox'] == pytest.approx([(x1 + x2 - wide) / 2, y1, wide, y2 - y1], abs=1e-3)

    evaluation = COCOeval(truth, truth.loadRes(results), 'bbox')
    evaluation.params.catIds = [5, 7, 12]
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[:3] == pytest.approx([0.6, 1, 1])


def test_table_of_classes(run):
    numbers, log = run(WIDER, classwise=True)
    assert all(numbers[f'coco/{name}_precision'] == pytest.approx(0.6) for name in CLASSES)
    assert re.search(r'\| category \| mAP +\| mAP_50', log)
    for name in CLASSES:
        assert re.search(rf'\| {name} +\| 0\.6 +\| 1\.0 ', log)


def test_faster_coco_eval_gives_the_same_numbers(run):
    """A metric of some versions of mmdet, for those who have the package."""
    pytest.importorskip('faster_coco_eval')
    if METRICS.get('mmdet.FasterCocoMetric') is None:
        pytest.skip('this mmdet has no FasterCocoMetric')
    slow, _ = run(WIDER, classwise=True)
    fast, _ = run(WIDER, classwise=True, type='mmdet.FasterCocoMetric')
    assert fast == pytest.approx(slow) and len(slow) > 6
