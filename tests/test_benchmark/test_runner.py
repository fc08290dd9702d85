"""What is measured, what is judged, and what is not."""

import itertools

import pytest

from centernet_plugin.benchmark import runner
from centernet_plugin.benchmark.case import BASE, FASTEST, OURS, Case, Skip, Work
from centernet_plugin.benchmark.runner import failed, judge, judge_growth, run_all, run_case


def case(prepare=None, **options):
    options = dict(group='things', name='one', prepare=prepare) | options
    return Case(**options)


def work(outputs, check=None, calls=None):
    """Sides that return something, and write down that they were called."""
    calls = [] if calls is None else calls

    def side(name):
        return lambda: calls.append(name) or outputs[name]

    return Work(sides={name: side(name) for name in outputs}, check=check)


def unequal(side, output, reference):
    return '' if output == reference else f'{output} against {reference}'


def test_sides_that_differ_are_not_measured(tiny):
    calls = []
    outputs = {OURS: 1, 'ours, compiled': 2, BASE: 1}
    row = run_case(case(lambda: work(outputs, unequal, calls)), tiny)
    assert row['differences'] == {'ours, compiled': '2 against 1'}
    assert 'sides' not in row and failed([row]) == ['things: one']
    assert sorted(calls) == sorted(outputs), 'each was called once, to be checked'


def test_sides_that_agree_are(tiny):
    row = run_case(case(lambda: work({OURS: 1, BASE: 1}, unequal)), tiny)
    assert failed([row]) == []
    assert row['sides'][OURS]['rounds'] == tiny.repeat
    assert row['sides'][OURS]['ratio'] > 0 and 'ratio' not in row['sides'][BASE]


def test_an_error_ends_one_case_only(tiny, capsys):
    def broken():
        raise RuntimeError('of somebody')

    rows = run_all([case(broken), case(lambda: work({OURS: 1}), name='two')], tiny)
    assert rows[0]['error'] == 'RuntimeError' and 'sides' in rows[1]
    assert failed(rows) == ['things: one']
    assert 'of somebody' in capsys.readouterr().err


def test_a_case_that_cannot_be_run_is_no_failure(tiny):
    def absent():
        raise Skip('there is nothing')

    row = run_case(case(absent), tiny)
    assert row['skipped'] == 'there is nothing' and failed([row]) == []


def test_sides_that_are_none_are_left_out(tiny):
    def prepare():
        made = work({OURS: 1})
        made.sides['ours, compiled'] = None
        return made

    assert list(run_case(case(prepare), tiny)['sides']) == [OURS]


def test_rows_are_handed_on_one_by_one(tiny):
    seen = []
    cases = [case(lambda: work({OURS: 1}), name=name) for name in 'ab']
    run_all(cases, tiny, after=lambda rows: seen.append([row['name'] for row in rows]))
    assert seen == [['a'], ['a', 'b'], ['a', 'b']]


def medians(**values):
    return {name.replace('_', ', '): dict(median=float(v)) for name, v in values.items()}


def test_ratios_and_goals():
    sides = medians(ours=10, ours_compiled=5, mmdet=100)
    judge(case(goals={OURS: 10, 'ours, compiled': 21}), sides)
    assert (sides[OURS]['ratio'], sides[OURS]['met']) == (10, True)
    assert (sides['ours, compiled']['ratio'], sides['ours, compiled']['met']) == (20, False)
    assert 'met' not in sides[BASE]


def test_the_goal_of_the_fastest():
    for more, fastest in ((False, 'ours, compiled'), (True, OURS)):
        sides = medians(ours=10, ours_compiled=5, mmdet=100)
        judge(case(goals={FASTEST: 2}, more_is_better=more), sides)
        assert [name for name in sides if 'goal' in sides[name]] == [fastest]
        assert sides[OURS]['ratio'] == (0.1 if more else 10)


def test_what_is_only_close_is_not_the_fastest():
    sides = medians(ours=10, ours_bf16=5, mmdet=100)
    judge(case(goals={FASTEST: 2}, inexact=('ours, bf16',)), sides)
    assert [name for name in sides if 'goal' in sides[name]] == [OURS]
    assert sides['ours, bf16']['ratio'] == 20


def test_without_mmdet_there_is_no_ratio_and_no_goal():
    sides = medians(ours=10)
    judge(case(goals={OURS: 2}), sides)
    assert sides == medians(ours=10)


def test_limits():
    for limit, met in ((3, True), (2.9, False)):
        sides = medians(ours=3, mmdet=9)
        judge(case(limit=limit), sides)
        assert sides[OURS]['met'] is met


def test_growth():
    rows = [
        dict(series='s', growth=growth, sides=medians(ours=value))
        for growth, value in ((1.2, 2.0), (12, 20.0), (120, 250.0))
    ]
    judge_growth(rows)
    found = [row['sides'][OURS] for row in rows]
    assert [side['grown'] for side in found] == [1, 10, 125]
    assert [side.get('met') for side in found] == [None, True, False]


def test_units(tiny, monkeypatch):
    ticks = itertools.cycle([10.0, 20.0])
    monkeypatch.setattr(runner, 'cpu_clock', lambda call: next(ticks))
    options = dict(unit='images/s', convert=lambda ms: 1000 / ms, more_is_better=True)
    row = run_case(case(lambda: work({OURS: 1}), **options), tiny)
    assert row['sides'][OURS]['median'] == pytest.approx(75)  # of 100 and 50


def test_memory_in_its_unit(tiny, monkeypatch):
    monkeypatch.setattr(runner, 'peak_growth', lambda call, device: 30)
    options = dict(measure='memory', unit='tens', convert=lambda v: v / 10, limit=3)
    row = run_case(case(lambda: work({OURS: 1}), **options), tiny)
    assert row['sides'][OURS] == dict(median=3, met=True)
    monkeypatch.setattr(runner, 'peak_growth', lambda call, device: None)
    assert 'skipped' in run_case(case(lambda: work({OURS: 1}), **options), tiny)
