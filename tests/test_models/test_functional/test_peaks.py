import obvious
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from centernet_plugin.models.functional import peaks
from centernet_plugin.models.functional.peaks import find_peaks, gather_cells


def test_finds_peaks_in_order_and_reads_maps():
    logits = torch.full((2, 3, 8, 9), -8.0)
    logits[0, 1, 2, 3], logits[0, 1, 2, 4], logits[0, 2, 7, 8] = 4.0, 3.0, 1.0
    logits[1, 0, 0, 0] = 2.0
    values, labels, cells = find_peaks(logits, 2)
    assert labels[0].tolist() == [1, 2] and cells[0].tolist() == [[3, 2], [8, 7]]
    assert values[0].tolist() == [4, 1] and cells[1, 0].tolist() == [0, 0]
    feature = torch.arange(2 * 2 * 8 * 9.0).view(2, 2, 8, 9)
    read = gather_cells(feature, cells)
    assert read.shape == (2, 2, 2)
    assert read[0, 1].tolist() == [feature[0, 0, 7, 8], feature[0, 1, 7, 8]]


def test_fewer_peaks_or_cells_than_asked_for():
    logits = torch.zeros(1, 1, 3, 3)
    logits[0, 0, 1, 1] = 1
    values, _, _ = find_peaks(logits, 100)
    assert values.shape == (1, 9) and values.isfinite().sum() == 1
    assert values.sigmoid()[0, 1:].sum() == 0


def test_equal_neighbours_are_both_peaks():
    values, _, _ = find_peaks(torch.zeros(1, 1, 1, 2), 2)
    assert values.isfinite().all()


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    size=st.tuples(*[st.integers(1, n) for n in (3, 4, 9, 9)]),
    k=st.integers(1, 60),
    kernel=st.sampled_from([1, 3, 5, 7]),
    levels=st.sampled_from([2, 4, 1000]),
    on_cpu=st.booleans(),
    chunk=st.sampled_from([1, 100, 10**6]),
)
def test_equals_a_loop_over_cells(seed, size, k, kernel, levels, on_cpu, chunk):
    """Also with plateaus and ties, and with more peaks asked for than cells."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randint(levels, size, generator=generator).float() - levels / 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peaks, 'immediate', lambda x: on_cpu)
        patch.setattr(peaks, 'CPU_CHUNK', chunk)
        values, labels, cells = find_peaks(logits, k, kernel)
    count = min(k, logits[0].numel())
    assert values.shape == labels.shape == (size[0], count) and cells.shape == (size[0], count, 2)
    for i, image in enumerate(logits):
        expected = obvious.peaks(image, kernel)
        best = sorted(expected.values(), reverse=True)[:count]
        assert values[i].tolist() == best + [float('-inf')] * (count - len(best))
        found = list(zip(labels[i].tolist(), *cells[i].T.tolist(), strict=True))[: len(best)]
        assert len(set(found)) == len(best)
        assert [expected[c, y, x] for c, x, y in found] == best


def test_saturated_and_forbidden_cells():
    inf = float('inf')
    logits = torch.tensor([[[[inf, 1, -inf, -inf, 5]]]])  # a user forbids cells by -inf
    values, _, cells = find_peaks(logits, 5)
    assert values[0, :2].tolist() == [inf, 5] and cells[0, :2].tolist() == [[0, 0], [4, 0]]
    assert (values[0, 2:] == -inf).all()


def test_empty_batch():
    values, labels, cells = find_peaks(torch.zeros(0, 2, 3, 4), 5)
    assert values.shape == labels.shape == (0, 5) and cells.shape == (0, 5, 2)


def test_even_neighbourhoods_are_refused():
    with pytest.raises(ValueError, match='odd, got 2'):
        find_peaks(torch.zeros(1, 1, 4, 4), 5, kernel=2)
