"""Ground truth that leaves nothing to chance."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from centernet_plugin.benchmark.heads import our_head
from centernet_plugin.benchmark.inputs import draw_maps, draw_objects


@given(st.integers(1, 4), st.integers(1, 40), st.integers(16, 64), st.integers(0, 9))
def test_objects(images, objects, cells, seed):
    drawn = draw_objects(images, objects, cells=cells, classes=5, seed=seed)
    assert len(drawn) == images and sum(map(len, drawn)) == objects
    counts = [len(instances) for instances in drawn]
    assert max(counts) - min(counts) <= 1
    for instances in drawn:
        boxes = instances.bboxes / 4
        sides = boxes[:, 2:] - boxes[:, :2]
        assert torch.equal(sides, sides.round()) and (sides >= 2).all()
        assert (boxes >= 0).all() and (boxes <= cells - 1).all()
        centers = ((boxes[:, :2] + boxes[:, 2:]) / 2).long()
        assert len(centers.unique(dim=0)) == len(centers)
        assert ((instances.labels >= 0) & (instances.labels < 5)).all()


def test_too_many_objects():
    with pytest.raises(ValueError, match='too small for 999 objects'):
        draw_objects(1, 999, cells=8, classes=1)


def test_a_thousand_objects_and_the_same_again():
    one, other = (draw_objects(1, 1000, cells=128, classes=80)[0].bboxes for _ in range(2))
    assert one.shape == (1000, 4) and torch.equal(one, other)


def test_maps_have_a_peak_at_every_object():
    drawn = draw_objects(2, 9, cells=24, classes=3)
    targets = our_head(3).get_targets((24, 24), drawn)
    heatmap = targets.heatmap.dense()
    logits = draw_maps(heatmap)['heatmap']
    assert logits[heatmap == 1].mean() > logits[heatmap == 0].mean() + 4
    assert heatmap.eq(1).sum() == 9
