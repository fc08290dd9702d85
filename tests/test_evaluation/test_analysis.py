"""Numbers by hand, and against mmdet's own metric."""

import json
import math

import numpy as np
import pytest
import torch
from mmdet.evaluation import CocoMetric
from mmdet.evaluation.metrics import coco_metric
from pycocotools.coco import COCO

from centernet_plugin.errors import UserInputError
from centernet_plugin.evaluation import (
    Analysis,
    Detections,
    GroundTruth,
    best_threshold,
    by_class,
    by_iou,
    object_counts,
    overall,
    precision_recall,
    require_same_set,
    truth_of_annotations,
)


def truth_of(rows, count, classes=('disc', 'box'), ids=None):
    """Objects from rows of image, label, box (x, y, w, h) and whether it is ignored."""
    boxes = np.array([row[2] for row in rows], float).reshape(-1, 4)
    return GroundTruth(
        ids=ids or list(range(count)),
        paths=[f'images/{i}.png' for i in range(count)],
        classes=classes,
        images=np.array([row[0] for row in rows], int),
        boxes=boxes,
        labels=np.array([row[1] for row in rows], int),
        areas=boxes[:, 2:].prod(1),
        ignored=np.array([len(row) > 3 for row in rows], bool),
    )


def detections_of(rows):
    """Detections from rows of image, label, box and score."""
    return Detections(
        images=np.array([row[0] for row in rows], int),
        boxes=np.array([row[2] for row in rows], float).reshape(-1, 4),
        labels=np.array([row[1] for row in rows], int),
        scores=np.array([row[3] for row in rows], float),
    )


LARGE, MEDIUM, SMALL = [0, 0, 100, 100], [0, 0, 50, 50], [200, 200, 20, 20]
TRUTH = truth_of([(0, 0, LARGE), (0, 1, SMALL), (1, 0, MEDIUM)], 4)
FOUND = detections_of(
    [
        (0, 0, LARGE, 0.9),
        (0, 1, [200, 200, 20, 12.5], 0.8),  # IoU 0.625: right at 0.5, 0.55 and 0.6
        (1, 1, MEDIUM, 0.7),  # of the other class
        (2, 0, [300, 300, 10, 10], 0.05),  # nothing is there
    ]
)


def test_average_precision_by_hand():
    coco = Analysis.of(TRUTH, FOUND).coco
    # disc: the first of two objects is found first: precision 1 up to recall 0.5, 51 of 101 places.
    disc, box = 51 / 101, 3 / 10
    first, second = by_class(coco)
    assert (first['AP'], first['AP50'], first['AP75']) == pytest.approx((disc, disc, disc))
    assert (second['AP'], second['AP50'], second['AP75']) == pytest.approx((box, 1, 0))
    numbers = overall(coco)
    assert numbers['AP'] == pytest.approx((disc + box) / 2)
    assert numbers['AP50'] == pytest.approx((disc + 1) / 2)
    assert numbers['AP75'] == pytest.approx(disc / 2)
    sizes = [numbers[f'AP_{size}'] for size in ('small', 'medium', 'large')]
    assert sizes == pytest.approx([box, 0, 1])
    assert math.isnan(first['AP_small']) and math.isnan(second['AP_large'])
    assert numbers['AR'] == pytest.approx((0.5 + box) / 2)
    at = by_iou(coco)
    assert list(at)[0] == '0.50' and list(at)[-1] == '0.95' and len(at) == 10
    assert (at['0.60'], at['0.65']) == pytest.approx(((disc + 1) / 2, disc / 2))
    assert object_counts(coco).tolist() == [[2, 0, 1, 1], [1, 1, 0, 0]]
    recalls, curves = precision_recall(coco, 0.5)
    assert recalls[[0, 50, 100]] == pytest.approx([0, 0.5, 1])
    assert curves[:, [0, 50, 51, 100]] == pytest.approx(np.array([[1, 1, 0, 0], [1, 1, 1, 1]]))


def test_ranking_by_hand():
    analysis = Analysis.of(TRUTH, FOUND)
    # 2 right of 2 detections and 3 objects: 4 / 5; with the third detection 4 / 6.
    assert analysis.verdicts.threshold == 0.8
    # At three IoUs all of image 0 is right, at seven 1 of 2 detections and 1 of 2 objects.
    assert analysis.images.f1[:2] == pytest.approx([0.3 + 0.7 * 0.5, 0])
    assert np.isnan(analysis.images.f1[2:]).all()  # nothing to find and nothing found
    assert [row['index'] for row in analysis.image_rows()] == [1, 0]
    assert analysis.image_rows()[0] == dict(
        rank=1, f1=0, right=0, false=0, missed=1, index=1, id=1, path='images/1.png'
    )
    # From 0.05 on, image 2 has one error and image 1 two; image 3 still has nothing.
    analysis = Analysis.of(TRUTH, FOUND, threshold=0.05)
    assert [row['index'] for row in analysis.image_rows()] == [1, 2, 0]


def test_of_perfect_images_the_fullest_is_best():
    rows = [(0, 0, LARGE), (1, 0, LARGE), (1, 1, SMALL), (2, 0, LARGE)]
    found = [(*row, 0.9) for row in rows]
    analysis = Analysis.of(truth_of(rows, 3), detections_of(found))
    assert (analysis.images.f1 == 1).all()
    assert [row['index'] for row in analysis.image_rows()] == [0, 2, 1]


def test_summary_is_json_without_nan():
    summary = Analysis.of(TRUTH, FOUND).summary()
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary['objects'] == dict(all=3, small=1, medium=1, large=1, ignored=0)
    assert summary['classes'][0]['AP_small'] is None
    assert summary['at_threshold']['precision'] == 1
    assert summary['at_threshold']['recall'] == pytest.approx(2 / 3)
    assert summary['classes'][0]['recall'] == 0.5 and summary['classes'][1]['precision'] == 1


def test_every_verdict():
    truth = truth_of(
        [
            (0, 0, [0, 0, 100, 100]),
            (0, 1, [200, 0, 100, 100]),
            (0, 0, [400, 0, 200, 100], 'ignored'),
            (0, 0, [0, 300, 100, 100]),
            (0, 0, [0, 600, 100, 100]),
        ],
        1,
    )
    cases = {
        'right': ((0, 0, [0, 0, 100, 90], 0.9), 0.9),
        'duplicate': ((0, 0, [0, 0, 100, 80], 0.8), 0.8),
        'wrong class': ((0, 0, [200, 0, 100, 70], 0.7), 0.7),
        'poor box': ((0, 0, [0, 0, 100, 20], 0.6), 0.2),
        'wrong class and box': ((0, 0, [200, 0, 100, 30], 0.5), 0.3),
        'background': ((0, 0, [800, 800, 10, 10], 0.45), 0),
        'ignored': ((0, 0, [410, 10, 20, 20], 0.4), 1),
        'low': ((0, 0, [0, 300, 100, 100], 0.1), 0),
    }
    found = detections_of([row for row, _ in cases.values()])
    analysis = Analysis.of(truth, found, threshold=0.4)
    shown = analysis.detections_of(0)
    assert shown['verdicts'] == list(cases)[:-1]
    assert shown['ious'] == pytest.approx([iou for _, iou in list(cases.values())[:-1]])
    objects = analysis.objects_of(0)
    assert objects['verdicts'] == ['found', 'not found', 'ignored', 'low score', 'not found']
    assert objects['ious'] == pytest.approx([0.9, 0, 0, 0, 0])
    assert objects['scores'][[0, 3]] == pytest.approx([0.9, 0.1]) and np.isnan(objects['scores'][1])
    assert objects['boxes'][1].tolist() == [200, 0, 300, 100]
    counts = analysis.verdicts.counts()
    assert set(counts['detections'].values()) == {1}
    assert counts['objects'] == {'found': 1, 'low score': 1, 'not found': 2, 'ignored': 1}
    row = analysis.image_rows()[0]
    assert (row['right'], row['false'], row['missed']) == (1, 5, 3)


def test_equal_scores_are_taken_together():
    rows = [(0, 0, LARGE, 0.5), (0, 0, [300, 300, 9, 9], 0.5), (0, 1, SMALL, 0.4)]
    truth = truth_of([(0, 0, LARGE), (0, 1, SMALL)], 1)
    for order in ([0, 1, 2], [1, 0, 2]):
        found = detections_of([rows[i] for i in order])
        analysis = Analysis.of(truth, found)
        assert analysis.verdicts.threshold == 0.4
        assert analysis.images.f1 == pytest.approx([4 / 5])


@pytest.mark.parametrize(
    'rows', [[], [(0, 0, [300, 300, 9, 9], 0.9)], [(1, 1, [np.nan, 0, 5, 5], np.nan)]]
)
def test_nothing_right(rows):
    analysis = Analysis.of(TRUTH, detections_of(rows))
    assert overall(analysis.coco)['AP'] == 0
    assert best_threshold(analysis.detections, analysis.matches) == 0.3
    assert [row['f1'] for row in analysis.image_rows()] == [0, 0]
    json.dumps(analysis.summary(), allow_nan=False)


# ---------------------------------------------------------------- against mmdet's CocoMetric


@pytest.fixture
def random_set():
    """COCO annotations and predictions with all that is peculiar: crowds, ties, tiny boxes."""
    rng = np.random.default_rng(3)
    ids = [7, 3, 12, 5, 1, 9]
    annotations, predictions = [], []
    for image in ids:
        boxes, labels = [], []
        for _ in range(int(rng.integers(0, 9))):
            box = [*rng.uniform(0, 300, 2), *rng.uniform(0.5, 150, 2)]
            label = int(rng.integers(3))
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=image,
                    category_id=[4, 9, 11][label],
                    bbox=[float(v) for v in box],
                    area=float(box[2] * box[3] * rng.uniform(0.3, 1)),  # of a mask
                    iscrowd=int(rng.random() < 0.2),
                )
            )
            for _ in range(int(rng.integers(0, 4))):
                x, y, w, h = np.array(box) * rng.normal(1, 0.12, 4)
                boxes.append([x, y, x + w, y + h])
                labels.append(label if rng.random() < 0.9 else (label + 1) % 3)
        annotations.append(  # a class that is not asked for
            {**annotations[-1], 'id': len(annotations) + 1, 'category_id': 8, 'image_id': image}
        )
        predictions.append(
            dict(
                img_id=image,
                ori_shape=(400, 500),
                pred_instances=dict(
                    bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
                    labels=torch.tensor(labels, dtype=torch.int64),
                    scores=torch.tensor(rng.integers(1, 8, len(boxes)) / 8, dtype=torch.float32),
                ),
            )
        )
    images = [dict(id=i, file_name=f'{i}.png', width=500, height=400) for i in ids]
    names = {4: 'disc', 8: 'other', 9: 'box', 11: 'star'}
    categories = [dict(id=i, name=name) for i, name in names.items()]
    coco = dict(images=images, annotations=annotations, categories=categories)
    return coco, predictions, ('disc', 'box', 'star')


def as_arrays(predictions):
    return [
        dict(p, pred_instances={k: v.numpy() for k, v in p['pred_instances'].items()})
        for p in predictions
    ]


def metric_of_mmdet(monkeypatch, predictions, classes, **options):
    """The COCOeval that mmdet's CocoMetric has made."""
    made = []

    class Kept(coco_metric.COCOeval):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(coco_metric, 'COCOeval', Kept)
    metric = CocoMetric(metric='bbox', classwise=True, **options)
    metric.dataset_meta = dict(classes=classes)
    metric.process({}, predictions)
    return metric.evaluate(len(predictions)), made[0]


def assert_same(ours, theirs, numbers):
    assert ours.stats.tolist() == theirs.stats.tolist()
    assert (ours.eval['precision'] == theirs.eval['precision']).all()
    assert (ours.eval['recall'] == theirs.eval['recall']).all()
    assert len(set(ours.stats)) > 6, 'the set tells the numbers apart'
    values = overall(ours)
    short = dict(AP='mAP', AP50='mAP_50', AP75='mAP_75', AP_small='mAP_s', AP_large='mAP_l')
    for name, key in short.items():
        assert round(values[name], 3) == pytest.approx(numbers[f'coco/bbox_{key}'])
    for name, row in zip(('disc', 'box', 'star'), by_class(ours), strict=True):
        assert round(row['AP'], 3) == pytest.approx(numbers[f'coco/{name}_precision'])


@pytest.mark.parametrize('proposals', [(100, 300, 1000), (100, 1, 2)])
def test_equals_coco_metric_with_an_annotation_file(tmp_path, monkeypatch, random_set, proposals):
    coco, predictions, classes = random_set
    path = tmp_path / 'annotations.json'
    path.write_text(json.dumps(coco))
    numbers, theirs = metric_of_mmdet(
        monkeypatch, predictions, classes, ann_file=str(path), proposal_nums=proposals
    )
    images = truth_of([], 6, classes, ids=[p['img_id'] for p in predictions])
    truth = truth_of_annotations(images, COCO(str(path)), 'file')
    assert truth.ignored.any() and (truth.boxes[:, 2:] < 1).any()
    found = Detections.from_predictions(as_arrays(predictions))
    assert_same(Analysis.of(truth, found, max_dets=proposals).coco, theirs, numbers)


def test_equals_coco_metric_of_the_instances(monkeypatch, random_set):
    coco, predictions, classes = random_set
    labels = {4: 0, 9: 1, 11: 2}
    rows = []
    for place, prediction in enumerate(predictions):
        chosen = [
            a
            for a in coco['annotations']
            if a['image_id'] == prediction['img_id'] and a['category_id'] in labels
        ]
        prediction['instances'] = [
            dict(
                bbox=[*a['bbox'][:2], a['bbox'][0] + a['bbox'][2], a['bbox'][1] + a['bbox'][3]],
                bbox_label=labels[a['category_id']],
                ignore_flag=a['iscrowd'],
            )
            for a in chosen
        ]
        for instance in prediction['instances']:
            x1, y1, x2, y2 = instance['bbox']
            row = (place, instance['bbox_label'], [x1, y1, x2 - x1, y2 - y1])
            rows.append((*row, 'ignored') if instance['ignore_flag'] else row)
    numbers, theirs = metric_of_mmdet(monkeypatch, predictions, classes)
    truth = truth_of(rows, 6, classes, ids=[p['img_id'] for p in predictions])
    found = Detections.from_predictions(as_arrays(predictions))
    assert_same(Analysis.of(truth, found).coco, theirs, numbers)


# ---------------------------------------------------------------- what does not belong together


def prediction(image, labels):
    count = len(labels)
    arrays = dict(bboxes=np.zeros((count, 4)), scores=np.ones(count), labels=np.array(labels, int))
    return dict(img_id=image, pred_instances=arrays)


@pytest.mark.parametrize(
    ('entries', 'sentence'),
    [
        (
            [(0, []), (1, []), (2, [])],
            "'p.pkl' has predictions for 3 images, but the config's test",
        ),
        ([(0, []), (1, []), (3, []), (2, [])], "image 2 has the id 3 in 'p.pkl', but 2"),
        ([(0, []), (1, [1]), (2, [2]), (3, [])], "has class number 2, but the config's test set"),
        ([(0, []), (1, [0, -1]), (2, []), (3, [])], 'has class number -1'),
    ],
)
def test_predictions_of_another_set(entries, sentence):
    with pytest.raises(UserInputError, match=sentence):
        require_same_set([prediction(*entry) for entry in entries], TRUTH, 'p.pkl')


def test_predictions_of_the_same_set():
    entries = [prediction(i, [0, 1]) for i in range(4)]
    require_same_set(entries, TRUTH, 'p.pkl')
    del entries[1]['img_id']  # not among the meta_keys
    require_same_set(entries, TRUTH, 'p.pkl')


def test_annotation_file_of_another_set(random_set, tmp_path):
    coco, _, classes = random_set
    (tmp_path / 'a.json').write_text(json.dumps(coco))
    annotations = COCO(str(tmp_path / 'a.json'))
    with pytest.raises(UserInputError, match="'a.json', .* has no image with the id 0"):
        truth_of_annotations(truth_of([], 1, classes), annotations, 'a.json')
    with pytest.raises(UserInputError, match="no category 'tree'"):
        truth_of_annotations(truth_of([], 1, ('tree',), ids=[7]), annotations, 'a.json')
