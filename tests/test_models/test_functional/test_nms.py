"""Suppression against hand-made cases, loops and the original's soft form."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from centernet_plugin.models.functional import nms as module
from centernet_plugin.models.functional.nms import nms, soft_nms

FIXTURE = Path(__file__).parents[2] / 'data' / 'steps' / 'soft_nms.npz'
BOXES = torch.tensor([[0, 0, 10, 10], [1, 0, 10, 10], [20, 20, 30, 30], [0, 0, 10, 5.0]])
SCORES = torch.tensor([0.6, 0.9, 0.3, 0.8])


def test_hand_made():
    assert nms(BOXES, SCORES, 0.5).tolist() == [1, 3, 2]  # overlaps: 0.9 and 0.47
    assert nms(BOXES, SCORES, 0.95).tolist() == [1, 3, 0, 2]
    assert nms(BOXES, SCORES, 0.4).tolist() == [1, 2]


def test_overlap_equal_to_the_threshold_stays():
    boxes = torch.tensor([[0, 0, 2, 2], [0, 0, 2, 1.0]])
    assert nms(boxes, torch.tensor([0.9, 0.8]), 0.5).tolist() == [0, 1]


def test_offset_counts_pixels():
    boxes = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0.0]])  # 1, 1 and 2 pixels
    scores = torch.tensor([0.9, 0.8, 0.7])
    assert nms(boxes, scores, 0.5, offset=1).tolist() == [0, 2]
    assert nms(boxes, scores, 0.5, offset=0).tolist() == [0, 1, 2]  # no area, no overlap


def test_suppressed_boxes_suppress_nobody():
    boxes = torch.tensor([[i * 3.0, 0, i * 3.0 + 10, 10] for i in range(6)])  # neighbours: 0.54
    assert nms(boxes, torch.linspace(0.9, 0.1, 6), 0.5).tolist() == [0, 2, 4]


def test_ties_go_to_the_earlier():
    assert nms(BOXES[:1].repeat(5, 1), torch.ones(5), 0.5).tolist() == [0]


@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
def test_nothing_in_nothing_out(method):
    boxes, scores = torch.zeros(0, 4), torch.zeros(0)
    assert nms(boxes, scores, 0.5).shape == (0,)
    dets, index = soft_nms(boxes, scores, method=method)
    assert dets.shape == (0, 5) and index.shape == (0,)


def naive_iou(a, b, offset):
    w = max(0, min(a[2], b[2]) - max(a[0], b[0]) + offset)
    h = max(0, min(a[3], b[3]) - max(a[1], b[1]) + offset)
    areas = [(box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (a, b)]
    return w * h / (sum(areas) - w * h)


def naive_nms(boxes, scores, threshold, offset):
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(naive_iou(boxes[i], boxes[j], offset) <= threshold for j in kept):
            kept.append(i)
    return kept


def naive_soft_nms(boxes, scores, threshold, sigma, min_score, method, offset):
    left = {i: score for i, score in enumerate(scores)}
    rows = []
    while left:
        best = max(left, key=lambda i: (left[i], -i))
        rows.append((best, left.pop(best)))
        for i in list(left):
            iou = naive_iou(boxes[best], boxes[i], offset)
            if method == 'gaussian':
                left[i] *= math.exp(-iou * iou / sigma)
            elif iou >= threshold:
                left[i] *= 1 - iou if method == 'linear' else 0
            if left[i] < min_score:
                del left[i]
    return rows


@st.composite
def problems(draw):
    corner, side = st.integers(0, 20), st.integers(1, 12)
    boxes = draw(st.lists(st.tuples(corner, corner, side, side), min_size=1, max_size=30))
    scores = draw(st.permutations(range(1, len(boxes) + 1)))
    boxes = torch.tensor([(x, y, x + w, y + h) for x, y, w, h in boxes], dtype=torch.float64)
    threshold = draw(st.sampled_from([0.1, 0.3, 0.55, 0.7]))
    return boxes, torch.tensor(scores).double() / 31, threshold, draw(st.integers(0, 1))


@settings(max_examples=100, deadline=None)
@given(problems(), st.sampled_from([1, 3, 1024]))
def test_equals_loops(problem, block):
    boxes, scores, threshold, offset = problem
    before, module.BLOCK = module.BLOCK, block
    try:
        kept = nms(boxes, scores, threshold, offset)
    finally:
        module.BLOCK = before
    assert kept.tolist() == naive_nms(boxes.tolist(), scores.tolist(), threshold, offset)


@settings(max_examples=100, deadline=None)
@given(problems(), st.sampled_from(['naive', 'linear', 'gaussian']))
def test_soft_equals_loops(problem, method):
    boxes, scores, threshold, offset = problem
    dets, index = soft_nms(boxes, scores, threshold, 0.5, 0.05, method, offset)
    args = (threshold, 0.5, 0.05, method, offset)
    expected = naive_soft_nms(boxes.tolist(), scores.tolist(), *args)
    lowered = torch.tensor([score for _, score in expected], dtype=torch.float64)
    assert torch.allclose(dets[:, 4], lowered, atol=1e-12)
    assert torch.equal(dets[:, :4], boxes[index])
    if lowered.diff().abs().gt(1e-9).all():  # else the order among equals is free
        assert index.tolist() == [i for i, _ in expected]


def test_soft_equals_the_original():
    case = np.load(FIXTURE)
    rows = torch.from_numpy(case['boxes_score'])
    dets, index = soft_nms(
        rows[:, :4],
        rows[:, 4],
        sigma=float(case['sigma']),
        min_score=float(case['score_threshold']),
        method='gaussian',
        offset=1,
    )
    expected = torch.from_numpy(case['after_in_place'])[: int(case['kept'])]
    assert torch.allclose(dets, expected, rtol=0, atol=1e-6)
    assert torch.equal(dets[:, :4], rows[index, :4])


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r'\(N, 4\)'):
        nms(torch.zeros(3, 5), torch.zeros(3), 0.5)
    with pytest.raises(ValueError, match='offset'):
        nms(BOXES, SCORES, 0.5, offset=2)
    with pytest.raises(ValueError, match='method'):
        soft_nms(BOXES, SCORES, method='cubic')
