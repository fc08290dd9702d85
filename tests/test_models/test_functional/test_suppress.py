"""Suppression within classes against one class at a time, and what a config may say."""

from pathlib import Path

import numpy as np
import pytest
import torch

from centernet_plugin.errors import UserInputError
from centernet_plugin.models.functional import nms as module
from centernet_plugin.models.functional.nms import nms, soft_nms
from centernet_plugin.models.functional.suppress import check_nms, suppress

FIXTURE = Path(__file__).parents[2] / 'data' / 'steps' / 'soft_nms.npz'
SOFT = dict(type='soft_nms', method='gaussian', sigma=0.5, min_score=0.001, offset=1)


def detections(seed, count, classes, dtype=torch.float64, grid=False):
    """Random boxes, scores and labels; on a grid there are equal boxes, overlaps and scores."""
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 2, generator=generator, dtype=dtype) * 60
    sides = torch.rand(count, 2, generator=generator, dtype=dtype) * 30 + 0.5
    scores = torch.rand(count, generator=generator, dtype=dtype)
    if grid:
        corners, sides = (corners / 8).round() * 8, (sides / 8).round() * 8
        scores = (scores * 8).round() / 8 + 0.05
    labels = torch.randint(classes, (count,), generator=generator)
    return torch.cat((corners, corners + sides), dim=1), scores, labels


def class_by_class(boxes, scores, labels, one_class):
    """(scores, index), best first, of ``one_class(boxes, scores) -> scores, index``."""
    found = [(scores[:0], labels[:0])]
    for label in labels.unique():
        members = (labels == label).nonzero()[:, 0]
        lowered, index = one_class(boxes[members], scores[members])
        found.append((lowered, members[index]))
    scores, index = (torch.cat(parts) for parts in zip(*found, strict=True))
    by_index = index.argsort()
    scores, order = scores[by_index].sort(descending=True, stable=True)
    return scores, index[by_index][order]


@pytest.fixture(params=['table', 'rows'])
def few_or_many(request, monkeypatch):
    """With all factors computed before, as for few boxes, and with few at a time."""
    if request.param == 'rows':
        monkeypatch.setattr(module, 'TABLE', 0)
        monkeypatch.setattr(module, 'ROUNDS', 3)


@pytest.mark.usefixtures('few_or_many')
@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('grid', [False, True])
def test_equals_one_class_at_a_time(method, offset, grid):
    options = dict(method=method, offset=offset, iou_threshold=0.3, min_score=0.05)

    def one_class(boxes, scores):
        rows, index = soft_nms(boxes, scores, **options)
        return rows[:, 4], index

    for seed, (count, classes) in enumerate([(1, 1), (40, 1), (40, 80), (90, 4), (200, 30)]):
        for dtype in (torch.float32, torch.float64):
            case = detections(seed, count, classes, dtype, grid)
            scores, index = suppress(*case, dict(type='soft_nms', **options))
            expected = class_by_class(*case, one_class)
            assert torch.equal(scores, expected[0]) and torch.equal(index, expected[1])
            assert scores.dtype == dtype and index.dtype == torch.int64


@pytest.mark.usefixtures('few_or_many')
def test_equals_the_original_in_every_class():
    case = np.load(FIXTURE)
    rows, kept = torch.from_numpy(case['boxes_score']), int(case['kept'])
    boxes, scores = rows[:, :4].repeat(3, 1), rows[:, 4].repeat(3)
    labels = torch.arange(3).repeat_interleave(len(rows)) * 7
    scores, index = suppress(boxes, scores, labels, SOFT)
    expected = torch.from_numpy(case['after_in_place'])[:kept]
    assert len(index) == 3 * kept
    for label in (0, 7, 14):
        mine = labels[index] == label
        assert torch.allclose(scores[mine], expected[:, 4], rtol=0, atol=1e-6)
        assert torch.equal(boxes[index[mine]], expected[:, :4])


def test_only_scores_below_the_lowest_go_and_never_the_best_of_a_class():
    boxes = torch.tensor([[0, 0, 9, 9], [20, 0, 29, 9], [40, 0, 49, 9], [60, 0, 69, 9.0]])
    scores, labels = torch.tensor([0.25, 0.75, 0.5, 0.125]), torch.tensor([0, 0, 0, 1])
    lowered, index = suppress(boxes, scores, labels, SOFT | dict(min_score=0.5))
    assert index.tolist() == [1, 2, 3] and lowered.tolist() == [0.75, 0.5, 0.125]


def test_hard_equals_one_class_at_a_time(monkeypatch):
    def one_class(boxes, scores):
        index = nms(boxes, scores, 0.5, offset=1)
        return scores[index], index

    for seed, grid, block in [(0, False, 1024), (1, True, 1024), (2, False, 7), (3, True, 7)]:
        monkeypatch.setattr(module, 'BLOCK', block)
        case = detections(seed, 150, 4, grid=grid)
        scores, index = suppress(*case, dict(type='nms', iou_threshold=0.5, offset=1))
        expected = class_by_class(*case, one_class)
        assert 4 < len(index) < 150
        assert torch.equal(scores, expected[0]) and torch.equal(index, expected[1])


def test_none_sorts():
    scores, index = suppress(
        torch.zeros(4, 4), torch.tensor([0.2, 0.9, 0.2, 0.3]), torch.zeros(4).long(), None
    )
    assert scores.tolist() == pytest.approx([0.9, 0.3, 0.2, 0.2])
    assert index.tolist() == [1, 3, 0, 2]


@pytest.mark.parametrize('nms', [None, SOFT, dict(type='nms', iou_threshold=0.5)])
def test_nothing_in_nothing_out(nms):
    scores, index = suppress(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0).long(), nms)
    assert scores.shape == index.shape == (0,) and index.dtype == torch.int64


@pytest.mark.usefixtures('few_or_many')
@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
def test_boxes_without_area_overlap_nothing(method):
    boxes = torch.tensor([[5, 5, 5, 5], [5, 5, 5, 5], [5, 5, 5, 9], [0, 0, 9, 9], [9, 9, 3, 3.0]])
    scores, index = suppress(
        boxes,
        torch.linspace(0.9, 0.5, 5),
        torch.zeros(5).long(),
        SOFT | dict(method=method, offset=0),
    )
    assert scores.tolist() == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5])
    assert index.tolist() == [0, 1, 2, 3, 4]


def test_classes_far_outside_the_image_do_not_blur():
    """Boxes are compared where they are: no class is moved away, which would round its corners."""
    boxes, scores, _ = detections(0, 60, 1, torch.float32)
    alone = suppress(boxes, scores, torch.zeros(60).long(), SOFT)
    far = boxes.repeat(2, 1)
    far[60:] += 1e6
    labels = torch.arange(2).repeat_interleave(60) * 1000
    both, index = suppress(far, scores.repeat(2), labels, SOFT)
    assert torch.equal(both[index < 60], alone[0]) and torch.equal(index[index < 60], alone[1])


def test_half_precision_is_computed_in_single():
    boxes, scores, labels = detections(0, 60, 2, torch.float16)
    lowered, index = suppress(boxes, scores, labels, SOFT)
    expected = suppress(boxes.float(), scores.float(), labels, SOFT)
    assert lowered.dtype == torch.float16
    assert torch.equal(lowered, expected[0].half()) and torch.equal(index, expected[1])


@pytest.mark.parametrize(
    ('nms', 'message'),
    [
        (dict(iou_threshold=0.5), 'type None'),
        (dict(type='fast_nms'), "'fast_nms'"),
        (dict(type='nms'), 'iou_threshold'),
        (dict(type='nms', iou_threshold=0.5, sigma=1), "'sigma'"),
        (dict(SOFT, thr=0.5), "'thr'"),
        (dict(SOFT, method='cubic'), "'cubic'"),
        (dict(SOFT, offset=2), 'offset'),
    ],
)
@pytest.mark.parametrize('count', [0, 3])
def test_wrong_options_are_named(nms, message, count):
    with pytest.raises(ValueError, match=message):
        suppress(torch.zeros(count, 4), torch.zeros(count), torch.zeros(count).long(), nms)


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match='groups'):
        suppress(torch.zeros(3, 4), torch.zeros(3), torch.zeros(2).long(), SOFT)


def test_of_equal_boxes_the_first_goes_first():
    boxes = torch.tensor([[0.0, 0, 10, 10]]).repeat(3, 1)
    nms = dict(type='soft_nms', method='gaussian', min_score=0.0)
    assert suppress(boxes, torch.ones(3), torch.zeros(3).long(), nms)[1].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ('nms', 'word'),
    [
        (dict(type='fast'), 'fast'),
        (dict(method='linear'), 'None'),
        (dict(type='nms'), 'iou_threshold'),
        (dict(type='soft_nms', method='cubic'), 'cubic'),
        (dict(type='nms', iou_threshold=0.5, sigma=1), 'sigma'),
    ],
)
def test_what_does_not_exist_is_named_before_there_are_boxes(nms, word):
    with pytest.raises(UserInputError, match=word):
        check_nms(nms)
