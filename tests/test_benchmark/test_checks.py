"""What counts as the same."""

import torch
from mmengine.structures import InstanceData

from centernet_plugin.benchmark.checks import differ, differ_by_name, differ_in_detections

NAN = float('nan')


def test_tensors():
    one = torch.tensor([1.0, -100.0])
    assert differ('x', one, one + torch.tensor([0.0, 0.001]), tolerance=1e-4) == ''
    assert 'x: differs' in differ('x', one, one + torch.tensor([0.1, 0.0]), tolerance=1e-4)
    assert 'differs' in differ('x', torch.tensor([NAN]), torch.tensor([1.0]), tolerance=1e-4)
    assert 'shape' in differ('x', one, one[:1], tolerance=1)
    assert differ('x', one[:0], one[:0], tolerance=0) == ''


def test_names():
    one = dict(a=torch.ones(1), b=torch.ones(1))
    assert differ_by_name(one, dict(one), tolerance=0) == ''
    assert 'against' in differ_by_name(one, dict(a=torch.ones(1)), tolerance=0)
    assert 'b: ' in differ_by_name(one, dict(one, b=torch.zeros(1)), tolerance=0)


def found(*rows):
    """Detections of rows (score, label, left side)."""
    scores, labels, left = torch.tensor(rows).T
    boxes = torch.stack([left, left, left + 10, left + 10], dim=1)
    return [InstanceData(scores=scores, labels=labels.long(), bboxes=boxes)]


REFERENCE = ((0.9, 0, 1), (0.8, 1, 2), (0.8, 2, 3), (0.5, 0, 4))


def test_equal_scores_may_have_any_order():
    other = found((0.9, 0, 1), (0.8, 2, 3), (0.8, 1, 2), (0.5, 0, 4))
    assert differ_in_detections(found(*REFERENCE), other) == ''


def test_of_the_lowest_score_any_may_be_chosen():
    other = found(*REFERENCE[:3], (0.5, 2, 77))
    assert differ_in_detections(found(*REFERENCE), other) == ''


def test_what_is_not_the_same():
    reference = found(*REFERENCE)
    for other in (
        found((0.9, 1, 1), *REFERENCE[1:]),  # label
        found((0.9, 0, 1.01), *REFERENCE[1:]),  # box
        found((0.9001, 0, 1), *REFERENCE[1:]),  # score
        found((0.9, 0, 1), (0.8, 1, 2), (0.8, 1, 2), (0.5, 0, 4)),  # one twice in place of another
        found(*REFERENCE[:3]),  # number
        found((NAN, 0, 1), *REFERENCE[1:]),
    ):
        assert differ_in_detections(other, reference).startswith('image 0: ')
    assert 'images' in differ_in_detections(reference, [])
    empty = [reference[0][:0]]
    assert differ_in_detections(empty, empty) == ''
