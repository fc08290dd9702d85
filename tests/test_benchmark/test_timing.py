"""Turns, rounds and steps."""

import time

import pytest

from centernet_plugin.benchmark.case import Steps
from centernet_plugin.benchmark.timing import TOTAL, alternate, cpu_clock, summary


def test_sides_take_turns_and_every_second_round_goes_backwards():
    calls = []
    sides = {name: lambda name=name: calls.append(name) for name in 'abc'}
    times = alternate(sides, repeat=3, seconds=60, clock=cpu_clock)
    assert ''.join(calls) == 'abccbaabc'
    assert {name: len(rounds[TOTAL]) for name, rounds in times.items()} == dict(a=3, b=3, c=3)


def test_no_round_is_begun_after_the_time_is_up():
    sides = dict(a=lambda: time.sleep(0.02))
    assert len(alternate(sides, repeat=99, seconds=0.05, clock=cpu_clock)['a'][TOTAL]) <= 4
    assert len(alternate(sides, repeat=99, seconds=0, clock=cpu_clock)['a'][TOTAL]) == 1


def test_steps_are_timed_one_by_one_and_add_up():
    calls = []
    names = ('data', 'network', 'loss')
    steps = {name: lambda name=name: calls.append(name) for name in names}
    side = Steps(steps, lambda: 'losses', apart=('data',))
    assert side() == 'losses' and calls == list(names)
    # Each takes as long as its name.
    clock = {call: float(len(name)) for name, call in steps.items()}
    times = alternate(dict(ours=side), repeat=2, seconds=60, clock=clock.__getitem__)
    assert times['ours'] == dict(data=[4, 4], network=[7, 7], loss=[4, 4], total=[11, 11])


def test_the_clock_tells_milliseconds():
    assert 20 <= cpu_clock(lambda: time.sleep(0.02)) < 200


def test_summary():
    assert summary([5.0, 1.0, 2.0, 3.0, 4.0]) == dict(median=3, low=2, high=4, rounds=5)
    assert summary([7.0])['median'] == pytest.approx(7)
