"""Runs cases one after the other, and never gives a ratio of what is not the same."""

import sys
import traceback
from collections.abc import Callable
from typing import Any

from .case import BASE, FASTEST, OURS, Case, Skip, Work
from .memory import peak_growth
from .settings import Settings
from .syncs import count_syncs
from .timing import TOTAL, alternate, cpu_clock, cuda_clock, summary

MEGABYTE = 2**20


def run_case(case: Case, settings: Settings) -> dict[str, Any]:
    """One row of the results, of what JSON can hold.

    Every side is called once before anything is measured; what it returns is checked. Where two
    sides differ, nothing is measured.

    Returns:
        What the case says of itself, and ``skipped`` (the reason), ``error`` (its kind),
        ``differences`` (by side) or ``sides``: by name ``median``, ``low`` and ``high``
        (quartiles), ``rounds``, ``steps`` (medians by name), ``peak_mb``, ``ratio`` to ``'mmdet'``
        and ``met`` (whether the goal is).
    """
    row = dict(
        group=case.group,
        name=case.name,
        measure=case.measure,
        unit=case.unit,
        limit=case.limit,
        series=case.series,
        at=case.at,
        growth=case.growth,
    )
    try:
        work = case.prepare()
        sides = {name: call for name, call in work.sides.items() if call is not None}
        row |= dict(absent=work.absent)
        differences = check(work, sides)
        if differences:
            return row | dict(differences=differences)
        found = measure(case, sides, settings)
    except Skip as reason:
        return row | dict(skipped=str(reason))
    except Exception as error:  # the other cases do not depend on this one
        print(f'{case.title}:', file=sys.stderr)
        traceback.print_exc()
        return row | dict(error=type(error).__name__)
    judge(case, found)
    return row | dict(sides=found)


def check(work: Work, sides: dict[str, Callable]) -> dict[str, str]:
    """How the outputs of the sides differ from the reference's, of those that do."""
    first = BASE if BASE in sides else next(iter(sides))
    reference = sides[first]()  # a second call of it would be the second training step
    differences = {}
    for name, call in sides.items():
        output = reference if name == first else call()
        if work.check is not None:
            differences[name] = work.check(name, output, reference)
    return {name: difference for name, difference in differences.items() if difference}


def measure(case: Case, sides: dict[str, Callable], settings: Settings) -> dict[str, dict]:
    """Values of every side in the unit of the case."""
    if case.measure == 'syncs':
        return {name: dict(median=float(count_syncs(call))) for name, call in sides.items()}
    peaks = {name: peak_growth(call, settings.device) for name, call in sides.items()}
    if case.measure == 'memory':
        if None in peaks.values():
            raise Skip('the system does not say how much memory a process uses')
        return {name: dict(median=case.convert(peak)) for name, peak in peaks.items()}
    times = alternate(
        sides,
        repeat=settings.repeat,
        seconds=settings.seconds,
        clock=cuda_clock if settings.cuda else cpu_clock,
    )
    found = {}
    for name, rounds in times.items():
        found[name] = summary([case.convert(value) for value in rounds.pop(TOTAL)])
        if rounds:
            found[name]['steps'] = {step: summary(v)['median'] for step, v in rounds.items()}
        if peaks[name] is not None:
            found[name]['peak_mb'] = peaks[name] / MEGABYTE
    return found


def judge(case: Case, sides: dict[str, dict]) -> None:
    """Adds ratios, goals and whether they are met."""
    ours = [name for name in sides if name.startswith(OURS) and name not in case.inexact]
    pick = max if case.more_is_better else min
    fastest = pick(ours, key=lambda name: sides[name]['median'], default=None)
    base = sides.get(BASE)
    for name, side in sides.items():
        if base is not None and name != BASE:
            pair = (base['median'], side['median'])
            better, worse = reversed(pair) if case.more_is_better else pair
            side['ratio'] = better / worse if worse else None
        goal = case.goals.get(name)
        if goal is None and name == fastest:
            goal = case.goals.get(FASTEST)
        if goal is not None and side.get('ratio') is not None:
            side.update(goal=goal, met=side['ratio'] >= goal)
        elif case.limit is not None and name == OURS:
            side['met'] = side['median'] <= case.limit


def run_all(
    cases: list[Case],
    settings: Settings,
    *,
    before: Callable[[int, Case], None] = lambda i, case: None,
    after: Callable[[list[dict]], None] = lambda rows: None,
) -> list[dict[str, Any]]:
    """The rows of all cases.

    Args:
        cases: to run, in this order.
        settings: how.
        before: is told of each case and its number, from 0.
        after: is given the rows so far, after each case.
    """
    rows: list[dict[str, Any]] = []
    for i, case in enumerate(cases):
        before(i, case)
        rows.append(run_case(case, settings))
        after(rows)
    judge_growth(rows)
    after(rows)
    return rows


def judge_growth(rows: list[dict[str, Any]]) -> None:
    """Adds to the sides of a series how they grew from its first row."""
    first: dict[tuple[str, str], float] = {}
    for row in rows:
        for name, side in row.get('sides', {}).items() if row['series'] else ():
            start = first.setdefault((row['series'], name), side['median'])
            side['grown'] = side['median'] / start
            if name == OURS and side['grown'] != 1:  # not the first row
                side['met'] = side['grown'] <= row['growth']


def failed(rows: list[dict[str, Any]]) -> list[str]:
    """Titles of the cases whose sides differ or that ended in an error."""
    return [
        f'{row["group"]}: {row["name"]}' for row in rows if 'differences' in row or 'error' in row
    ]
