import numpy as np
import pytest

from centernet_plugin.datasets.inspection.annotations import Annotations
from centernet_plugin.datasets.inspection.boxes import box_defects
from centernet_plugin.datasets.inspection.classes import class_counts, class_findings
from centernet_plugin.datasets.inspection.finding import Finding, count_of, percent, worst_first
from centernet_plugin.datasets.inspection.images import (
    image_findings,
    image_summary,
    object_summary,
)


def table(rows, images=3, classes=('cat', 'dog'), size=(100, 80)):
    """Rows of image, label, ignored, x1, y1, x2, y2."""
    rows = np.array(rows, float).reshape(-1, 7)
    return Annotations(
        paths=[f'{i}.jpg' for i in range(images)],
        ids=list(range(images)),
        sizes=np.array([size] * images).reshape(-1, 2),
        image=rows[:, 0].astype(int),
        boxes=rows[:, 3:],
        labels=rows[:, 1].astype(int),
        ignored=rows[:, 2].astype(bool),
        classes=classes,
    )


ROWS = [
    [0, 0, 0, 0, 0, 10, 10],
    [0, 0, 0, 5, 5, 55, 25],
    [0, 1, 0, 0, 0, 32, 32],
    [2, 0, 1, 0, 0, 90, 70],
    [2, 0, 0, 0, 0, 96, 96],
]


def test_counts():
    counts = class_counts(table(ROWS))
    assert {k: v.tolist() for k, v in counts.items()} == dict(
        objects=[3, 1], ignored=[1, 0], images=[2, 1]
    )
    nothing = class_counts(table([], classes=()))
    assert all(len(v) == 0 for v in nothing.values())


def test_summaries():
    assert image_summary(table(ROWS)) == dict(
        images=3,
        objects=4,
        ignored=1,
        without_objects=1,
        width=[100, 100, 100],
        height=[80, 80, 80],
        aspect_ratio=[1.25] * 3,
        objects_per_image=[0, 1, 3],
    )
    objects = object_summary(table(ROWS))
    # 10 x 10; 50 x 20 and 32 x 32; 96 x 96, where COCO's large begins
    assert [objects[key] for key in ('small', 'medium', 'large')] == [2, 1, 1]
    assert objects['side'] == [10, pytest.approx((32 + 1000**0.5) / 2, abs=1e-3), 96]
    assert objects['aspect_ratio'] == [1, 1, 2.5]
    nothing = image_summary(table([], images=0))
    assert nothing['width'] is None and nothing['objects_per_image'] is None
    assert image_summary(table([], size=(0, 0)))['width'] is None
    assert object_summary(table([]))['side'] is None
    assert [f.key for f in image_findings(table([], images=0))] == ['no-images']


def test_defects_of_boxes():
    defects = box_defects(
        table(
            [
                [0, 0, 0, 10, 10, 20, 20],
                [1, 0, 0, 10, 10, 20, 20],
                [0, 1, 0, 10, 10, 20, 20],
                [0, 0, 0, 10, 10, 20, 20],
                [0, 0, 0, -3, 10, 20, 85],
                [0, 0, 0, 20, 10, 10, 20],
                [0, 0, 0, 100, 10, 110, 20],
                [-1, -1, 0, 0, 0, 999, 999],
            ]
        )
    )
    assert defects['overshoot'].tolist() == [-10, -10, -10, -10, 5, -10, 10, 0]
    for key, rows in dict(outside=[6], no_extent=[5], repeat=[3], relabelled=[2]).items():
        assert np.flatnonzero(defects[key]).tolist() == rows, key


def test_joined_sets_share_classes_by_name():
    first = table(ROWS, classes=('cat', 'dog'))
    second = table([[1, 0, 0, 1, 1, 2, 2], [-1, -1, 0, 1, 1, 2, 2]], classes=('dog', 'fish'))
    joined = Annotations.join([first, second])
    assert joined.classes == ('cat', 'dog', 'fish') and len(joined) == 6
    assert joined.labels.tolist() == [0, 0, 1, 0, 0, 1, -1]
    assert joined.image.tolist() == [0, 0, 0, 2, 2, 4, -1]


def test_classes_by_split():
    rows = ROWS * 8
    for training, expected in (
        (True, {'absent-class': 'warning', 'rare-class': 'note'}),
        (False, {'absent-class': 'note'}),
    ):
        findings = class_findings(table(rows, classes=('a', 'b', 'c')), {}, training=training)
        assert {f.key: f.severity for f in findings} == expected
        (finding,) = class_findings(table([]), {}, training=training)
        assert (finding.key, finding.severity == 'error') == ('no-objects', training)
    assert class_findings(table([], classes=()), {})[0].key == 'no-classes'


def test_words():
    assert [percent(n, 1000) for n in (0, 0.01, 1, 12, 1000)] == [
        '0 %', '<0.01 %', '0.10 %', '1 %', '100 %'
    ]  # fmt: skip
    assert percent(1, 0) == '0 %'
    assert (count_of(1, 'box', 'boxes'), count_of(1200, 'image')) == ('1 box', '1,200 images')
    findings = [Finding(s, k, '') for s, k in (('note', 'a'), ('error', 'b'), ('note', 'c'))]
    assert [f.key for f in worst_first(findings)] == ['b', 'a', 'c']
    with pytest.raises(ValueError, match='unknown severity'):
        Finding('bad', '', '')
