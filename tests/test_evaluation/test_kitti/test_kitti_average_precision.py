"""Average precision by hand, and against an implementation that goes object by object."""

import math

import kitti_obvious as obvious
import numpy as np
import pytest
from kitti_frames import crowd, detections_near, frame, row

from centernet_plugin.evaluation.kitti import (
    OVERLAPS,
    average_precision,
    evaluate,
    sample_thresholds,
)

BOX, FAR = (0, 0, 100, 50), (300, 0, 400, 50)
SMALL = (0, 0, 40, 24)
LEVELS = ('easy', 'moderate', 'hard')


def aps(truth, found, metric='bbox', name='Car', points=40):
    """AP of easy, moderate and hard at the strict overlap; of frames or one frame's rows."""
    truth, found = ([frame(*x)] if x and isinstance(x[0], tuple) else x for x in (truth, found))
    results = evaluate(truth, found or [frame()], metrics=[metric])
    chosen = [r for r in results if r.name == name and r.strict]
    assert [r.difficulty for r in chosen] == list(LEVELS)
    return [getattr(r, f'ap{points}') for r in chosen]


def with_extra(extra, *objects, metric='bbox', name='Car', easy_box=FAR):
    """AP where one object is found at 0.5 and something else at 0.9: 100 if it is not false."""
    truth = [row(name, easy_box, place=(50, 1.6, 20)), *objects]
    return aps(truth, [row(name, easy_box, score=0.5, place=(50, 1.6, 20)), extra], metric, name)


@pytest.mark.parametrize('metric', ['bbox', 'aos', 'bev', '3d'])
def test_found(metric):
    assert aps([row()], [row()], metric) == pytest.approx([100] * 3)


@pytest.mark.parametrize('metric', ['bbox', 'aos', 'bev', '3d'])
def test_missed(metric):
    away = row(box=FAR, place=(50, 1.6, 20))
    assert aps([row()], [away], metric) == aps([row()], [], metric) == [0] * 3


def test_images_without_detections_count():
    assert aps([frame(row()), frame(row())], [frame(row()), frame()]) == pytest.approx([50] * 3)


def test_duplicate_is_false():
    # Precision 1 up to recall 1/2, then 2/3.
    truth = [row(), row(box=FAR)]
    found = [row(score=0.9), row(score=0.8), row(box=FAR, score=0.7)]
    assert aps(truth, found)[1] == pytest.approx(100 * (20 + 20 * 2 / 3) / 40)
    assert aps(truth, found, points=11)[1] == pytest.approx(100 * (6 + 5 * 2 / 3) / 11)


def test_recall_and_precision_by_hand():
    # Scores .9 right, .8 false, .7 right, .6 right, .5 false; the fourth object is never found.
    boxes = [(150 * i, 0, 150 * i + 100, 50) for i in range(4)]
    truth = [row(box=box) for box in boxes]
    found = [
        row(box=boxes[2], score=0.6),
        row(box=(0, 200, 100, 250), score=0.8),
        row(box=boxes[0], score=0.9),
        row(box=(0, 300, 100, 350), score=0.5),
        row(box=boxes[1], score=0.7),
    ]
    # Precision at recall 1/4: 1, at 2/4: 2/3, at 3/4: 3/4, which also holds before.
    assert aps(truth, found)[1] == pytest.approx(100 * (10 * 1 + 20 * 3 / 4) / 40)
    assert aps(truth, found, points=11)[1] == pytest.approx(100 * (3 * 1 + 5 * 3 / 4) / 11)


def test_overlap_must_be_above_the_threshold():
    # 70 of 100 pixels: exactly 0.7 is too little for a car.
    assert aps([row(box=(0, 0, 100, 50))], [row(box=(0, 0, 70, 50))]) == [0] * 3
    assert aps([row(box=(0, 0, 100, 50))], [row(box=(0, 0, 71, 50))]) == [100] * 3
    assert aps([row('Cyclist')], [row('Cyclist', (0, 0, 51, 50))], name='Cyclist') == [100] * 3


def test_false_detection():
    assert with_extra(row(score=0.9)) == pytest.approx([50] * 3)


@pytest.mark.parametrize(
    ('name', 'kind', 'expected'),
    [
        ('Car', 'Van', 100),
        ('Car', 'Truck', 50),
        ('Car', 'Person_sitting', 50),
        ('Pedestrian', 'Person_sitting', 100),
        ('Pedestrian', 'Cyclist', 50),
    ],
)
def test_neighbouring_class_is_neutral(name, kind, expected):
    assert with_extra(row(name, score=0.9), row(kind), name=name) == pytest.approx([expected] * 3)


def test_neutral_object_need_not_be_found():
    assert aps([row(box=FAR), row('Van'), row(occluded=3)], [row(box=FAR)]) == [100] * 3


def test_two_detections_on_a_neutral_object():
    # It takes one, the other is false: precision 1/2 at the only threshold.
    extra = row(score=0.9)
    truth = [row(box=FAR), row('Van')]
    assert aps(truth, [row(box=FAR, score=0.5), extra, extra]) == pytest.approx([50] * 3)


def test_dont_care_absorbs_in_the_image_only():
    # 80 of 100 columns of the detection are in the region, though its IoU is small.
    region = row('DontCare', (20, -500, 500, 900), place=(-1000,) * 3, size=(-1,) * 3)
    extra = row(box=BOX, score=0.9)
    assert with_extra(extra, region, easy_box=(600, 0, 700, 50)) == [100] * 3
    assert with_extra(extra, region, easy_box=(600, 0, 700, 50), metric='3d')[1] == 50
    outside = row(box=(-10, 0, 90, 50), score=0.9)  # exactly 0.7 inside
    assert with_extra(outside, region, easy_box=(600, 0, 700, 50)) == [50] * 3


def test_dont_care_takes_no_detection_from_an_object():
    assert aps([row('DontCare'), row()], [row()]) == [100] * 3


def test_low_detection_is_neutral():
    low = row(box=(0, 0, 100, 30), score=0.9)  # below 40, not below 25
    assert with_extra(low) == pytest.approx([100, 50, 50])
    assert with_extra(row(box=SMALL, score=0.9)) == [100] * 3


def test_object_found_by_a_low_detection_is_neither_found_nor_missed():
    truth = [row(box=FAR), row(box=(0, 0, 100, 42))]
    found = [row(box=FAR, score=0.9), row(box=(0, 0, 100, 38), score=0.8)]
    # Easy: recall 1/2 at precision 1; the low one is neutral.
    assert aps(truth, found) == pytest.approx([50, 100, 100])
    # A counted detection is preferred, even where the low one overlaps more.
    found.append(row(box=(0, 0, 80, 42), score=0.7))
    assert aps(truth, found)[0] == pytest.approx(50)  # the best score, the low one, samples
    found[1] = row(box=(0, 0, 100, 38), score=0.6)
    assert aps(truth, found)[0] == pytest.approx(100)


@pytest.mark.parametrize(
    ('changes', 'counts'),
    [
        ({}, [2, 2, 2]),
        (dict(box=(0, 0, 100, 40)), [2, 2, 2]),
        (dict(box=(0, 0, 100, 39.9)), [1, 2, 2]),
        (dict(box=(0, 0, 100, 24.9)), [1, 1, 1]),
        (dict(occluded=1), [1, 2, 2]),
        (dict(occluded=2), [1, 1, 2]),
        (dict(occluded=3), [1, 1, 1]),
        (dict(truncated=0.15), [2, 2, 2]),
        (dict(truncated=0.2), [1, 2, 2]),
        (dict(truncated=0.4), [1, 1, 2]),
        (dict(truncated=0.6), [1, 1, 1]),
    ],
)
def test_difficulties(changes, counts):
    results = evaluate([frame(row(box=FAR), row(**changes))], [frame(row(box=FAR))])
    assert [r.objects for r in results if r.name == 'Car'][:3] == counts
    # The other object is missed where it counts.
    assert aps([row(box=FAR), row(**changes)], [row(box=FAR)]) == [100 / n for n in counts]


def test_orientation_similarity_of_a_known_error():
    # Of one car turned by 60 degrees (0.75) and one turned by 180 degrees (0).
    assert aps([row(alpha=3)], [row(alpha=3 - math.pi / 3)], 'aos') == pytest.approx([75] * 3)
    assert aps([row(alpha=1)], [row(alpha=1 + math.pi)], 'aos') == pytest.approx([0] * 3)
    assert aps([row(alpha=1)], [row(alpha=1 - 2 * math.pi)], 'aos') == pytest.approx([100] * 3)
    assert aps([row(alpha=1)], [row(alpha=1 + math.pi)]) == [100] * 3


def test_orientation_similarity_is_shared_with_false_detections():
    found = [row(score=0.5, alpha=math.pi / 2), row(box=FAR, score=0.9)]
    assert aps([row()], found, 'aos') == pytest.approx([25] * 3)  # 0.5 / 2


def test_vertical_offset_in_space_only():
    # 0.2 of 1.5 metres: 1.3 / 1.7 is above 0.7; 0.3 metres: 1.2 / 1.8 is not.
    for offset, expected in ((0.2, 100), (0.3, 0)):
        found = [row(place=(0, 1.6 + offset, 20))]
        assert aps([row()], found, '3d') == [expected] * 3
        assert aps([row()], found, 'bev') == [100] * 3


def test_loose_overlaps():
    found = frame(row(place=(0, 1.9, 20)))
    results = evaluate([frame(row())], [found], overlaps={'Car': (0.7, 0.5)})
    numbers = {(r.metric, r.min_overlap): r.ap40 for r in results if r.difficulty == 'moderate'}
    assert numbers == {
        **{('bbox', 0.7): 100, ('aos', 0.7): 100, ('bev', 0.7): 100, ('3d', 0.7): 0},
        **{('bev', 0.5): 100, ('3d', 0.5): 100},
    }


def test_order_in_the_file_decides_between_equals():
    # Both overlap both objects; the first object takes its better one.
    truth = [row(box=(0, 0, 100, 50)), row(box=(5, 0, 105, 50))]
    found = [row(box=(5, 0, 105, 50), score=0.9), row(box=(0, 0, 100, 50), score=0.9)]
    assert aps(truth, found) == aps(truth, found[::-1]) == [100] * 3


def test_greatest_overlap_is_taken_when_counting():
    # By score the first object takes what the second needs; by overlap both find their own.
    truth = [row(box=(0, 0, 100, 50)), row(box=(20, 0, 120, 50)), row(box=FAR)]
    found = [
        row(box=(12, 0, 112, 50), score=0.9),
        row(box=(0, 0, 100, 50), score=0.8),
        row(box=FAR, score=0.5),
    ]
    # Two scores are sampled, 0.9 and 0.5: recall 2/3, all of it without a false detection.
    assert aps(truth, found)[1] == pytest.approx(100 * 26 / 40)


def test_class_without_objects_is_nan():
    results = evaluate([frame(row())], [frame(row(), row('Cyclist', FAR))])
    numbers = [(r.ap40, r.ap11) for r in results if r.name == 'Cyclist']
    assert np.isnan(numbers).all() and len(numbers) == 18


def test_no_images():
    assert np.isnan([r.ap40 for r in evaluate([], [])]).all()


def test_images_must_be_the_same():
    with pytest.raises(ValueError, match='zip'):
        evaluate([frame()], [])


@pytest.mark.parametrize('objects', [1, 7, 40, 41, 60, 100, 1000])
def test_all_found_reaches_every_step(objects):
    scores = np.arange(objects)
    sampled = sample_thresholds(scores, objects)
    assert len(sampled) == 41
    assert sampled[0] == objects - 1 and sampled[-1] == 0 and (np.diff(sampled) <= 0).all()


def test_thresholds_of_a_large_set_by_hand():
    # Recalls 0.01, 0.02, ..., 0.1: steps 0, 0.025, 0.05, 0.075, 0.1 at the nearest (at 0.025 the
    # third is as near as the second, and the walk goes on only if the next one is nearer).
    scores = [10.0, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    sampled = sample_thresholds(scores[::-1], 100)
    assert sampled.tolist() == obvious.thresholds(scores, 100)
    assert sampled[[0, 2, 4]].tolist() == [10, 6, 1]


def test_points_of_a_curve():
    curve = np.where(np.arange(41) == 0, 1.0, 0.0)
    assert average_precision(curve, 40) == 0
    assert average_precision(curve, 11) == pytest.approx(100 / 11)
    curve = np.where(np.arange(41) == 40, 1.0, 0.0)
    assert average_precision(curve, 40) == pytest.approx(100 / 40)
    assert average_precision(curve, 11) == pytest.approx(100 / 11)


@pytest.mark.parametrize(('seed', 'images'), [(0, 3), (1, 3), (2, 10)])
def test_random_frames_against_the_obvious(seed, images):
    rng = np.random.default_rng(seed)
    truths = [crowd(rng, rng.integers(0, 12)) for _ in range(images)]
    founds = [detections_near(rng, t) for t in truths]
    results = evaluate(truths, founds)
    assert len(results) == 3 * 3 * 6
    for r in results:
        expected = obvious.average_precisions(
            truths, founds, r.name, r.metric, r.difficulty, r.min_overlap
        )
        assert (r.ap40, r.ap11) == pytest.approx(expected, abs=1e-9, nan_ok=True), r


def test_large_set_against_the_obvious():
    rng = np.random.default_rng(3)
    truths = [crowd(rng, 10, ('Car', 'Car', 'Car', 'Van'), easy=True) for _ in range(12)]
    founds = [detections_near(rng, t, levels=1000) for t in truths]
    results = evaluate(truths, founds, overlaps={'Car': OVERLAPS['Car']})
    assert min(r.objects for r in results) > 40  # where the devkit's walk begins
    for r in results:
        expected = obvious.average_precisions(
            truths, founds, r.name, r.metric, r.difficulty, r.min_overlap
        )
        assert (r.ap40, r.ap11) == pytest.approx(expected, abs=1e-9), r


def test_many_equal_boxes_against_the_obvious():
    # Objects on top of each other, of which detections overlap several.
    rng = np.random.default_rng(4)

    def pile(count, low):
        rows = []
        for _ in range(count):
            x, y, height = rng.integers(0, 4), rng.integers(0, 4), rng.integers(low, 46)
            rows.append(
                row(
                    rng.choice(['Car', 'Car', 'Van', 'Pedestrian']),
                    (x, y, x + 60, y + height),
                    score=rng.integers(1, 6) / 6,
                    occluded=rng.integers(0, 2),
                    alpha=rng.uniform(-3, 3),
                    place=(rng.normal(0, 0.2), 1.6, 20 + rng.normal(0, 0.2)),
                )
            )
        return frame(*rows)

    truths = [pile(6, 36) for _ in range(12)]
    founds = [pile(7, 34) for _ in range(12)]
    results = evaluate(truths, founds)
    assert any(1 < r.ap40 < 99 for r in results if r.name == 'Car')
    for r in results:
        expected = obvious.average_precisions(
            truths, founds, r.name, r.metric, r.difficulty, r.min_overlap
        )
        assert (r.ap40, r.ap11) == pytest.approx(expected, abs=1e-9, nan_ok=True), r


def test_truth_as_detections_is_perfect():
    rng = np.random.default_rng(5)
    truths = [crowd(rng, 8, tuple(OVERLAPS)) for _ in range(20)]
    founds = [
        frame(
            *(
                row(
                    t.types[i],
                    t.bboxes[i],
                    alpha=t.alphas[i],
                    size=t.dimensions[i],
                    place=t.locations[i],
                    turn=t.rotations_y[i],
                    score=rng.random(),
                )
                for i in range(8)
            )
        )
        for t in truths
    ]
    for r in evaluate(truths, founds):
        assert r.objects > 0
        assert (r.ap40, r.ap11) == pytest.approx((100, 100))


def test_worse_detections_have_lower_precision():
    truths = [crowd(np.random.default_rng(i), 8, ('Car',)) for i in range(15)]
    means = {}
    for noise in (0.2, 1.0, 2.5):
        rng = np.random.default_rng(0)
        founds = [detections_near(rng, t, noise) for t in truths]
        for r in evaluate(truths, founds, overlaps={'Car': [0.7]}):
            if r.difficulty == 'hard':
                means.setdefault(r.metric, []).append(r.ap40)
    for numbers in means.values():
        assert numbers[0] > numbers[1] > numbers[2]
