"""KittiMetric as mmengine's evaluator drives it."""

import logging
import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from kitti_frames import frame, row
from mmdet.registry import METRICS
from mmdet.structures import DetDataSample
from mmengine.evaluator import Evaluator
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

from centernet_plugin.datasets.kitti_files import read_objects, write_objects
from centernet_plugin.errors import UserInputError
from centernet_plugin.evaluation.kitti import OVERLAPS, KittiMetric
from centernet_plugin.evaluation.kitti.evaluate import Result
from centernet_plugin.evaluation.kitti.kitti_metric import available_metrics, predicted_objects
from centernet_plugin.evaluation.kitti.report import LEVELS, table

CLASSES = ('Pedestrian', 'Car', 'Cyclist')
FAR = (300, 0, 400, 60)
FRAMES = {
    '000003': frame(row('Van'), row('Car', FAR, place=(9, 1, 30), turn=1, alpha=0.7)),
    '000007': frame(row('Pedestrian', (0, 0, 50, 90), size=(1.7, 0.6, 0.8), place=(1, 1.5, 9))),
    '000011': frame(),
}


@pytest.fixture
def label_dir(tmp_path):
    for name, objects in FRAMES.items():
        write_objects(tmp_path / f'{name}.txt', replace(objects, scores=None))
    return str(tmp_path)


def sample_of(name, objects, leave_out=()):
    """A data sample whose predictions are the objects of our classes."""
    rows = [i for i, kind in enumerate(objects.types) if kind in CLASSES]
    centres = objects.locations[rows] - objects.dimensions[rows][:, :1] * [0, 0.5, 0]
    scores = np.ones(len(objects.types)) if objects.scores is None else objects.scores
    fields = dict(
        bboxes=objects.bboxes[rows],
        scores=scores[rows],
        alphas=objects.alphas[rows],
        dimensions=objects.dimensions[rows],
        locations=centres,
        rotations_y=objects.rotations_y[rows],
    )
    fields = {k: torch.tensor(v, dtype=torch.float32) for k, v in fields.items()}
    labels = torch.tensor([CLASSES.index(objects.types[i]) for i in rows], dtype=torch.int64)
    kept = {k: v for k, v in fields.items() if k not in leave_out}
    sample = DetDataSample(metainfo=dict(img_id=name))
    sample.pred_instances = InstanceData(labels=labels, **kept)
    return sample


def evaluated(samples, classes=CLASSES, **options):
    with DefaultScope.overwrite_default_scope('mmdet'):
        evaluator = Evaluator(dict(type='centernet_plugin.KittiMetric', **options))
    evaluator.dataset_meta = dict(classes=classes)
    for sample in samples:
        evaluator.process([sample])
    return evaluator.evaluate(len(samples))


def perfect(leave_out=()):
    return [sample_of(name, objects, leave_out) for name, objects in FRAMES.items()]


@pytest.fixture
def printed(monkeypatch):
    """What the metric prints."""
    texts = []
    monkeypatch.setattr(
        'centernet_plugin.evaluation.kitti.kitti_metric.print_log',
        lambda text, logger=None, level=logging.INFO: texts.append(text),
    )
    return texts


def test_truth_as_predictions(label_dir, printed):
    numbers = evaluated(perfect(), label_dir=label_dir)
    assert next(iter(numbers)) == 'kitti/3d_mAP40_moderate'
    assert len(numbers) == 4 + 3 * 6
    for name, value in numbers.items():
        assert isinstance(value, float)
        if 'Cyclist' in name:
            assert math.isnan(value)
        else:
            assert value == pytest.approx(100), name
    assert {'kitti/Car_3d_AP40_moderate_0.70', 'kitti/Car_3d_AP40_moderate_0.50'} <= set(numbers)
    (text,) = printed
    lines = [line.split() for line in text.splitlines()]
    assert ['Car', 'objects', '1', '1', '1'] in lines
    assert ['3d', '0.50', *['100.00'] * 6] in lines
    assert ['3d', '0.25', *['-'] * 6] in lines
    assert '3 images' in text and text.endswith('-: no objects to be found')


@pytest.mark.parametrize('objects', [1, 40, 41])
def test_the_table_says_where_the_devkit_gives_less(objects):
    results = [Result('Car', 'bbox', d, 0.7, True, objects, 100.0, 100.0) for d in LEVELS]
    assert ('the devkit gives less' in table(results, 9)) == (objects < 41)


def test_metric_of_both_registries():
    assert METRICS.get('centernet_plugin.KittiMetric') is KittiMetric


def test_detailed(label_dir):
    numbers = evaluated(perfect(), label_dir=label_dir, detailed=True)
    assert len(numbers) == 4 * 3 + 3 * 6 * 3 * 2
    assert numbers['kitti/Car_bev_AP11_easy_0.50'] == pytest.approx(100)


def test_images_without_predictions_count(label_dir):
    samples = [sample_of(name, frame()) for name in FRAMES]
    numbers = evaluated(samples, label_dir=label_dir)
    assert all(value == 0 for value in numbers.values() if not math.isnan(value))
    assert numbers['kitti/bbox_mAP40_moderate'] == 0


def test_only_evaluated_images_count(label_dir):
    numbers = evaluated([perfect()[1]], label_dir=label_dir)
    assert numbers['kitti/Pedestrian_3d_AP40_moderate_0.50'] == pytest.approx(100)
    assert math.isnan(numbers['kitti/Car_3d_AP40_moderate_0.70'])


@pytest.mark.parametrize(
    ('leave_out', 'metrics'),
    [
        ((), {'bbox', 'aos', 'bev', '3d'}),
        (('locations',), {'bbox', 'aos'}),
        (('rotations_y', 'alphas'), {'bbox'}),
        (('alphas',), {'bbox', 'bev', '3d'}),
    ],
)
def test_model_without_branches(label_dir, leave_out, metrics):
    numbers = evaluated(perfect(leave_out), label_dir=label_dir)
    assert {name.split('_')[-4] for name in numbers if name.endswith('0')} == metrics
    assert numbers['kitti/bbox_mAP40_moderate'] == pytest.approx(100)


def test_fields_must_be_in_all_predictions():
    full = dict.fromkeys(['alphas', 'dimensions', 'locations', 'rotations_y'])
    assert available_metrics([full, full]) == ['bbox', 'aos', 'bev', '3d']
    assert available_metrics([full, {}]) == ['bbox']


def test_classes_of_the_dataset(label_dir):
    numbers = evaluated(perfect(), label_dir=label_dir, overlaps=dict(Car=0.6, Tram=[0.5]))
    assert 'kitti/Car_3d_AP40_moderate_0.60' in numbers
    assert not any('Tram' in name or 'Pedestrian' in name for name in numbers)


def test_result_files(label_dir, tmp_path):
    folder = tmp_path / 'results' / 'data'
    numbers = evaluated(perfect(), label_dir=label_dir, outfile_prefix=str(folder))
    assert numbers['kitti/3d_mAP40_moderate'] == pytest.approx(100)
    assert sorted(path.stem for path in folder.iterdir()) == sorted(FRAMES)
    written = read_objects(folder / '000003.txt', with_scores=True)
    assert written.types == ['Car']
    # The label's bottom, though predictions are centres.
    assert written.locations == pytest.approx(FRAMES['000003'].locations[1:])
    assert written.rotations_y == pytest.approx([1]) and written.scores == pytest.approx([1])
    assert len(read_objects(folder / '000011.txt', with_scores=True)) == 0


def test_format_only(tmp_path):
    numbers = evaluated(perfect(), format_only=True, outfile_prefix=str(tmp_path / 'out'))
    assert numbers == {}
    assert len(list((tmp_path / 'out').iterdir())) == 3


def test_files_of_a_model_in_the_image_only(tmp_path):
    samples = perfect(('alphas', 'dimensions', 'locations', 'rotations_y'))
    evaluated(samples, format_only=True, outfile_prefix=str(tmp_path))
    line = Path(tmp_path, '000003.txt').read_text()
    assert line == 'Car -1 -1 -10 300 0 400 60 -1 -1 -1 -1000 -1000 -1000 -10 1\n'


def test_predictions_are_not_changed():
    arrays = dict(
        bboxes=np.ones((1, 4)),
        labels=np.array([1]),
        scores=np.ones(1),
        dimensions=np.array([[2.0, 1, 4]]),
        locations=np.array([[1.0, 1, 9]]),
    )
    objects = predicted_objects(arrays, CLASSES)
    assert objects.types == ['Car']
    assert objects.locations.tolist() == [[1, 2, 9]]
    assert arrays['locations'].tolist() == [[1, 1, 9]]


def test_padding_of_distributed_runs_is_dropped(label_dir):
    metric = KittiMetric(label_dir)
    metric.dataset_meta = dict(classes=CLASSES)
    samples = [sample.to_dict() for sample in perfect()]
    metric.process(None, samples)
    metric.process(None, samples[:1])
    assert metric.evaluate(3)['kitti/Car_bbox_AP40_moderate_0.70'] == pytest.approx(100)
    assert metric.results == []


def test_absent_label_file(label_dir):
    with pytest.raises(UserInputError, match='000099.txt'):
        evaluated([sample_of('000099', frame())], label_dir=label_dir)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({}, 'label_dir'),
        (dict(format_only=True), 'outfile_prefix'),
        (dict(label_dir='x', overlaps=dict(Car=1)), 'Car'),
        (dict(label_dir='x', overlaps=dict(Car=[])), 'Car'),
        (dict(label_dir='x', overlaps=dict(Car=[0.5, 0.5])), 'Car'),
        (dict(label_dir='x', overlaps=dict(Car=[0.5, 0.7])), 'Car .* the strictest first'),
        (dict(label_dir='no/where'), "folder 'no/where', label_dir of KittiMetric"),
    ],
)
def test_arguments(options, message):
    with pytest.raises(UserInputError, match=message):
        KittiMetric(**options)


def test_tensors_of_any_kind():
    bfloat16 = torch.tensor([[1.0, 2, 30, 40]], dtype=torch.bfloat16, requires_grad=True)
    found = dict(bboxes=bfloat16, labels=torch.tensor([1]), scores=bfloat16[:, 0])
    metric = KittiMetric(format_only=True, outfile_prefix='nowhere')
    metric.process(None, [dict(img_id='1', pred_instances=found)])
    assert metric.results[0][1]['bboxes'].tolist() == [[1, 2, 30, 40]]


def test_no_class_in_common(label_dir):
    with pytest.raises(UserInputError, match='Boat'):
        evaluated([sample_of('000011', frame())], classes=('Boat',), label_dir=label_dir)


@pytest.mark.skipif('KITTI_ROOT' not in os.environ, reason='KITTI_ROOT names no folder of KITTI')
def test_real_labels():
    label_dir = Path(os.environ['KITTI_ROOT'], 'training', 'label_2')
    samples = [sample_of(p.stem, read_objects(p)) for p in sorted(label_dir.glob('*.txt'))]
    numbers = evaluated(samples, label_dir=str(label_dir), detailed=True)
    values = np.array(list(numbers.values()))
    assert values[~np.isnan(values)] == pytest.approx(100)
    assert not np.isnan(numbers['kitti/3d_mAP40_moderate'])
    worse = [sample_of(p.stem, read_objects(p)) for p in sorted(label_dir.glob('*.txt'))]
    for sample in worse:
        sample.pred_instances.locations *= 1.03
    lower = evaluated(worse, label_dir=str(label_dir))
    for name in OVERLAPS:
        strict = f'{OVERLAPS[name][0]:.2f}'
        for metric, limit in (('bbox', 101), ('bev', 99), ('3d', 99)):
            assert 0 <= lower[f'kitti/{name}_{metric}_AP40_moderate_{strict}'] < limit
