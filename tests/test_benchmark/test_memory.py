"""Peak memory of a call of known size."""

import pytest
import torch

from centernet_plugin.benchmark.memory import PROCESS, peak_growth

CPU = torch.device('cpu')
MEGABYTE = 2**20
needs_mark = pytest.mark.skipif(
    not (PROCESS / 'clear_refs').exists(), reason='only Linux lets a process reset its mark'
)


def allocate(megabytes):
    return torch.ones(megabytes * MEGABYTE // 4)


@needs_mark
def test_a_call_of_known_size():
    for _ in range(2):  # and no mark remains of the first
        assert peak_growth(lambda: allocate(50), CPU) / MEGABYTE == pytest.approx(50, abs=5)


@needs_mark
def test_what_is_given_back_within_the_call_counts_at_its_peak():
    def call():  # blocks too large for the C library to keep
        allocate(300)
        allocate(280)

    assert peak_growth(call, CPU) / MEGABYTE == pytest.approx(300, abs=6)


@needs_mark
def test_what_was_there_before_does_not_count_and_the_result_does():
    before = allocate(100)
    assert peak_growth(lambda: before[0].clone(), CPU) / MEGABYTE < 5
    both = peak_growth(lambda: [allocate(20), allocate(20)], CPU)
    assert both / MEGABYTE == pytest.approx(40, abs=5)


@needs_mark
def test_small_pieces_that_the_library_keeps_count_again():
    def call():
        return [torch.ones(4096) for _ in range(1280)]  # 16 KB each, not mapped one by one

    call()
    assert peak_growth(call, CPU) / MEGABYTE == pytest.approx(20, abs=4)


def test_a_system_that_does_not_say(monkeypatch, tmp_path):
    monkeypatch.setattr('centernet_plugin.benchmark.memory.PROCESS', tmp_path / 'none')
    assert peak_growth(lambda: None, CPU) is None
