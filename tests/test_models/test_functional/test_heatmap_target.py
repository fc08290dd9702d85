import obvious
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from obvious import draw_objects

from centernet_plugin.models.functional import gaussian, heatmap
from centernet_plugin.models.functional.heatmap import HeatmapTarget, build_heatmap_target

MODULES = ('gaussian', 'heatmap')


@pytest.fixture(params=[True, False], ids=['cpu', 'as on a GPU'])
def anywhere(request, monkeypatch):
    """Runs a test with the code for CPU and with that which never looks at a value."""
    for module in (gaussian, heatmap):
        monkeypatch.setattr(module, 'immediate', lambda x: request.param)
    return request.param


@pytest.mark.parametrize('count', [0, 1, 5, 60])
def test_equals_a_loop_over_objects_and_cells(anywhere, count):
    shape = (2, 3, 9, 13)
    for seed in range(4):
        objects = draw_objects(seed, count, shape)
        target = build_heatmap_target(**objects, shape=shape, max_radius=8)
        size = shape[2:]
        expected = obvious.heatmap(objects['cells'], objects['radii'], objects['planes'], 6, size)
        dense = target.dense().flatten(0, 1)
        torch.testing.assert_close(dense.double(), expected, rtol=0, atol=1e-6)
        # Exactly 1 where the loss looks for peaks, each counted once.
        peaks = target.peaks[target.counts == 1]
        assert sorted(peaks.tolist()) == (target.dense() == 1).flatten().nonzero()[:, 0].tolist()
        assert len(target.planes) == len(set(target.planes.tolist())) <= min(count, 6)


def test_cpu_and_other_devices_draw_the_same(monkeypatch):
    shape = (3, 20, 40, 50)
    objects = draw_objects(0, 200, shape, max_radius=13)
    cpu = build_heatmap_target(**objects, shape=shape, max_radius=14)
    for module in (gaussian, heatmap):
        monkeypatch.setattr(module, 'immediate', lambda x: False)
    other = build_heatmap_target(**objects, shape=shape, max_radius=14)
    assert torch.equal(cpu.dense(), other.dense())
    assert torch.equal(cpu.peaks, other.peaks) and torch.equal(cpu.counts, other.counts)
    assert len(other.planes) == 60, 'as many planes as there can be, without asking'


def test_planes_without_objects_are_not_kept():
    shape = (16, 80, 8, 8)
    objects = draw_objects(0, 114, shape)
    target = build_heatmap_target(**objects, shape=shape, max_radius=8)
    assert target.planes.tolist() == sorted(set(objects['planes'].tolist()))
    assert target.values.shape == (len(target.planes), 8, 8)


def test_many_objects_are_drawn_in_parts(anywhere, monkeypatch):
    shape = (1, 3, 8, 8)
    objects = draw_objects(0, 50, shape, max_radius=2)
    whole = build_heatmap_target(**objects, shape=shape, max_radius=2)
    monkeypatch.setattr(gaussian, 'CHUNK', 3 * 25)
    parts = build_heatmap_target(**objects, shape=shape, max_radius=2)
    assert torch.equal(parts.dense(), whole.dense())


def test_a_thousand_objects_at_one_cell_are_one_peak(anywhere):
    count, shape = 1000, (1, 2, 6, 6)
    objects = dict(
        planes=torch.ones(count, dtype=torch.int64),
        cells=torch.full((count, 2), 3),
        radii=torch.where(torch.arange(count) < 10, -1, torch.arange(count) % 4).float(),
    )
    target = build_heatmap_target(**objects, shape=shape, max_radius=3)
    assert target.counts.sum() == 1 and target.counts[:10].sum() == 0
    assert (target.dense() == 1).sum() == 1


def test_an_object_at_the_very_first_cell_counts(anywhere):
    first = torch.zeros(2, dtype=torch.int64)
    target = build_heatmap_target(
        first,
        torch.zeros(2, 2, dtype=torch.int64),
        torch.tensor([1.0, 2.0]),
        (1, 1, 4, 4),
        max_radius=2,
    )
    assert target.counts.tolist() == [1, 0] and target.peaks.tolist() == [0, 0]


def test_ignored_regions_have_planes_of_their_own(anywhere):
    shape = (2, 2, 5, 6)
    objects = draw_objects(0, 1, shape)
    objects['planes'][:] = 0
    regions = (
        torch.tensor([3, 3, 0]),
        torch.tensor([[0.5, 1, 2.1, 3], [1, 1, 2, 2], [4, 4, 9, 9]]),
    )
    target = build_heatmap_target(**objects, shape=shape, max_radius=8, ignored=regions)
    ignore = target.dense_ignore()
    assert ignore[1, 1].nonzero().tolist() == [[y, x] for y in (1, 2) for x in (0, 1, 2)]
    assert ignore[0, 0].nonzero().tolist() == [[4, 4], [4, 5]]
    assert ignore.max() == 1 and ignore[0, 1].sum() == ignore[1, 0].sum() == 0
    assert target.dense()[1].sum() == 0


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 3), st.integers(1, 6))
def test_dense_and_back(seed, images, classes, side):
    generator = torch.Generator().manual_seed(seed)
    dense = torch.rand(images, classes, side, side, generator=generator).round(decimals=1)
    target = HeatmapTarget.from_dense(dense)
    assert torch.equal(target.dense(), dense) and target.dense_ignore() is None
    assert target.counts.sum() == (dense == 1).sum()
