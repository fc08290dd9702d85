"""Keypoint AP: ground truth is perfect, and errors count as the similarity says."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.registry import METRICS
from mmengine.structures import InstanceData
from tiny_pose import write_tiny_pose

from centernet_plugin.datasets import CocoPoseDataset
from centernet_plugin.errors import UserInputError
from centernet_plugin.evaluation import KeypointMetric


def truth_as_predictions(dataset, joints, score=0.9):
    """A sample per image, as the evaluator hands them on."""
    samples = []
    for info in dataset:
        objects = [i for i in info['instances'] if not i['ignore_flag']]
        pred = dict(
            bboxes=torch.tensor([o['bbox'] for o in objects]).reshape(-1, 4),
            labels=torch.tensor([o['bbox_label'] for o in objects], dtype=torch.int64),
            scores=torch.full((len(objects),), score),
            keypoints=torch.tensor([o['keypoints'] for o in objects]).reshape(-1, joints, 2),
            keypoint_scores=torch.ones(len(objects), joints),
        )
        samples.append(dict(img_id=info['img_id'], pred_instances=pred))
    return samples


class Set:
    """Ground truth as predictions of a tiny set, to be spoilt."""

    def __init__(self, root, joints):
        args = write_tiny_pose(root, images=6, joints=joints, size=160, hidden=0.15)
        self.path = root / args['ann_file']
        self.dataset = CocoPoseDataset(**args, test_mode=True)
        self.meta = self.dataset.metainfo
        self.samples = truth_as_predictions(self.dataset, joints)

    def count(self, **kwargs):
        metric = KeypointMetric(str(self.path), **kwargs)
        metric.dataset_meta = self.meta
        for sample in self.samples:
            metric.process({}, [sample])
        return metric.evaluate(len(self.samples))


@pytest.fixture
def tiny(tmp_path):
    return Set(tmp_path, 5)


@pytest.mark.parametrize('joints', [2, 5, 17, 20])
def test_ground_truth_is_perfect(tmp_path, joints):
    numbers = Set(tmp_path, joints).count()
    assert len(numbers) == 10
    for name in ('mAP', 'mAP_50', 'mAP_75', 'AR', 'AR_50', 'AR_75'):
        assert numbers[f'coco/keypoints_{name}'] == pytest.approx(1)
    assert numbers['coco/keypoints_mAP_m'] == pytest.approx(1 if joints > 2 else -1)
    assert numbers['coco/keypoints_mAP_l'] == -1, 'no figure is that large'


def test_similarity_of_a_shift_is_counted(tiny):
    """exp(-d**2 / (2 s**2 (2 sigma)**2)) = 0.72 is right at 5 thresholds, 0.5 to 0.7."""
    data = json.loads(tiny.path.read_text())
    areas = {}
    for ann in data['annotations']:
        areas.setdefault(ann['image_id'], []).append(ann['area'])
    for sample in tiny.samples:
        area = torch.tensor(areas[sample['img_id']])
        shift = (-2 * np.log(0.72) * area * (2 * 0.067) ** 2).sqrt()
        sample['pred_instances']['keypoints'][..., 0] += shift[:, None]
    numbers = tiny.count()
    assert numbers['coco/keypoints_mAP'] == pytest.approx(0.5)
    assert numbers['coco/keypoints_mAP_50'] == pytest.approx(1)
    assert numbers['coco/keypoints_mAP_75'] == 0
    tiny.meta['sigmas'] = (0.3,) * 5  # who tolerates more finds them all
    assert tiny.count()['coco/keypoints_mAP'] == pytest.approx(1)


def test_joints_that_are_missing_are_wrong(tiny):
    for sample in tiny.samples:
        sample['pred_instances']['keypoints'][:] = float('nan')
    assert tiny.count()['coco/keypoints_mAP'] == 0


def test_nothing_found(tiny):
    for sample in tiny.samples:
        pred = sample['pred_instances']
        sample['pred_instances'] = {name: values[:0] for name, values in pred.items()}
    numbers = tiny.count()
    assert numbers['coco/keypoints_mAP'] == numbers['coco/keypoints_AR'] == 0


def test_score_of_joints_can_rank(tiny):
    """False detections have better boxes and worse joints."""
    for sample in tiny.samples:
        pred = sample['pred_instances']
        false = {name: values.clone() for name, values in pred.items()}
        false['keypoints'] += 500
        false['scores'][:] = 0.95
        false['keypoint_scores'][:] = 0.1
        sample['pred_instances'] = {n: torch.cat([pred[n], false[n]]) for n in pred}
    assert tiny.count()['coco/keypoints_mAP'] < 0.7
    assert tiny.count(score_mode='bbox_keypoint')['coco/keypoints_mAP'] == pytest.approx(1)


def test_results_for_a_server(tiny, tmp_path):
    value = tiny.samples[0]['pred_instances']['keypoints'][0, 0, 0] = 12.3456789
    numbers = tiny.count(format_only=True, outfile_prefix=str(tmp_path / 'new/results'))
    assert numbers == {}
    rows = json.loads((tmp_path / 'new/results.keypoints.json').read_text())
    assert len(rows) == sum(len(s['pred_instances']['scores']) for s in tiny.samples)
    assert rows[0]['keypoints'][0] == pytest.approx(value, abs=1e-6)
    assert len(rows[0]['keypoints']) == 15 and rows[0]['category_id'] == 1
    x, y, width, height = rows[0]['bbox']
    box = tiny.samples[0]['pred_instances']['bboxes'][0].tolist()
    assert [x, y, x + width, y + height] == pytest.approx(box)


def test_results_are_kept_beside_the_numbers(tiny, tmp_path):
    numbers = tiny.count(outfile_prefix=str(tmp_path / 'results'))
    assert numbers['coco/keypoints_mAP'] == pytest.approx(1)
    assert 'area' not in json.loads((tmp_path / 'results.keypoints.json').read_text())[0]


def test_people_without_joints_and_crowds_do_not_count(tiny):
    data = json.loads(tiny.path.read_text())
    crowd = dict(data['annotations'][0], id=98, iscrowd=1, bbox=[0, 0, 160, 160])
    bare = dict(data['annotations'][0], id=99, keypoints=[0] * 15, bbox=[100, 100, 30, 30])
    bare.pop('num_keypoints')
    data['annotations'] += [crowd, bare]
    tiny.path.write_text(json.dumps(data))
    assert tiny.count()['coco/keypoints_mAP'] == pytest.approx(1)


def test_classes_are_told_apart_by_the_ids_of_the_file(tiny):
    """Two of three categories are classes; half of the figures are of each."""
    data = json.loads(tiny.path.read_text())
    joints = {k: data['categories'][0][k] for k in ('keypoints', 'skeleton')}
    data['categories'] = [
        dict(id=i, name=name, **joints) for i, name in ((12, 'a'), (5, 'unused'), (7, 'b'))
    ]
    for ann in data['annotations']:
        ann['category_id'] = 12 if ann['image_id'] % 2 else 7
    ignored = dict(data['annotations'][0], id=99, category_id=5)
    data['annotations'].append(ignored)
    tiny.path.write_text(json.dumps(data))
    args = dict(data_root=str(tiny.path.parent), ann_file=tiny.path.name)
    dataset = CocoPoseDataset(
        **args, data_prefix=dict(img='images/'), metainfo=dict(classes=('a', 'b')), test_mode=True
    )
    tiny.meta, tiny.samples = dataset.metainfo, truth_as_predictions(dataset, 5)
    assert tiny.count()['coco/keypoints_mAP'] == pytest.approx(1)
    for sample in tiny.samples:
        sample['pred_instances']['labels'] = 0 * sample['pred_instances']['labels']
    numbers = tiny.count()
    assert numbers['coco/keypoints_AR'] == pytest.approx(0.5), 'one class right, one missed'


def test_instance_data_is_as_good_as_a_dict(tiny):
    for sample in tiny.samples:
        sample['pred_instances'] = InstanceData(**sample['pred_instances'])
    assert tiny.count()['coco/keypoints_mAP'] == pytest.approx(1)


def test_is_built_by_its_name(tiny):
    metric = METRICS.build(
        dict(type='centernet_plugin.KeypointMetric', ann_file=str(tiny.path), prefix='val')
    )
    assert type(metric) is KeypointMetric and metric.prefix == 'val'


def test_mistakes_are_named(tiny, tmp_path):
    with pytest.raises(UserInputError, match="'nowhere.json' of KeypointMetric does not exist"):
        KeypointMetric('nowhere.json')
    with pytest.raises(UserInputError, match='score_mode'):
        KeypointMetric(str(tiny.path), score_mode='mean')
    with pytest.raises(UserInputError, match='outfile_prefix'):
        KeypointMetric(str(tiny.path), format_only=True)
    (tmp_path / 'bad.json').write_text('{')
    with pytest.raises(UserInputError, match='not a COCO annotation file'):
        KeypointMetric(str(tmp_path / 'bad.json'))
    data = json.loads(tiny.path.read_text())
    data['annotations'][0].pop('keypoints')
    (tmp_path / 'boxes.json').write_text(json.dumps(data))
    with pytest.raises(UserInputError, match='annotation 1 in .* has no keypoints'):
        KeypointMetric(str(tmp_path / 'boxes.json'))


def test_joints_that_do_not_match(tiny):
    sigmas = tiny.meta.pop('sigmas')
    with pytest.raises(UserInputError, match='5 joints and 17 sigmas'):
        tiny.count()
    tiny.meta['sigmas'] = sigmas
    for sample in tiny.samples:
        pred = sample['pred_instances']
        pred['keypoints'] = pred['keypoints'][:, :4]
        pred['keypoint_scores'] = pred['keypoint_scores'][:, :4]
    with pytest.raises(UserInputError, match=r'\[5\] joints and predictions \[4\]'):
        tiny.count()
    tiny.samples[0]['pred_instances'].pop('keypoints')
    with pytest.raises(UserInputError, match='no keypoints'):
        tiny.count()


@pytest.mark.parametrize(
    ('variable', 'file'),
    [
        ('COCO_PERSON_ROOT', 'person_keypoints_val.json'),
        ('MMPOSE_COCO4', 'test_coco.json'),
    ],
)
def test_ground_truth_of_real_data_is_perfect(variable, file):
    if variable not in os.environ:
        pytest.skip(f'set {variable} to the folder of the real data')
    root = Path(os.environ[variable])
    prefix = 'images' if (root / 'images').is_dir() else ''
    dataset = CocoPoseDataset(
        data_root=str(root), ann_file=file, data_prefix=dict(img=prefix), test_mode=True
    )
    metric = KeypointMetric(str(root / file))
    metric.dataset_meta = dataset.metainfo
    samples = truth_as_predictions(dataset, 17)
    metric.process({}, samples)
    numbers = metric.evaluate(len(samples))
    assert all(value == pytest.approx(1) for value in numbers.values()), numbers


@pytest.mark.parametrize('key', ['area', 'bbox', 'iscrowd', 'image_id', 'category_id'])
def test_annotations_without_what_is_counted_by_are_named(tiny, key):
    data = json.loads(tiny.path.read_text())
    del data['annotations'][1][key]
    tiny.path.write_text(json.dumps(data))
    with pytest.raises(UserInputError, match=key):
        KeypointMetric(str(tiny.path))


def test_joints_that_are_null(tiny):
    data = json.loads(tiny.path.read_text())
    data['annotations'][0]['keypoints'] = None
    tiny.path.write_text(json.dumps(data))
    with pytest.raises(UserInputError, match='annotation 1 .* has no keypoints'):
        KeypointMetric(str(tiny.path))
    data['categories'].append(dict(id=2, name='ball'))
    data['annotations'][0]['category_id'] = 2  # which has none
    tiny.path.write_text(json.dumps(data))
    KeypointMetric(str(tiny.path))


def test_tensors_of_any_kind(tiny):
    found = tiny.samples[0]['pred_instances']
    found['keypoints'] = found['keypoints'].bfloat16()
    found['bboxes'].requires_grad_()
    assert 0 <= tiny.count()['coco/keypoints_mAP_50'] <= 1
