import torch

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
