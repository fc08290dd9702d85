"""Milliseconds of several calls that take turns."""

import time
from collections.abc import Callable

import numpy as np
import torch

from .case import Call, Steps

TOTAL = 'total'

Clock = Callable[[Call], float]


def alternate(
    sides: dict[str, Call], *, repeat: int, seconds: float, clock: Clock
) -> dict[str, dict[str, list[float]]]:
    """Runs all sides once per round, so that what else the machine does meets all of them.

    Every second round goes in the opposite order. Each call comes after another side's, with the
    caches as that left them.

    Args:
        sides: calls by name, already warm.
        repeat: number of rounds.
        seconds: after which no further round is begun; the first is always run.
        clock: measures one call.

    Returns:
        By side the milliseconds of each round: ``'total'``, and each step of :class:`Steps`.
    """
    times: dict[str, dict[str, list[float]]] = {name: {TOTAL: []} for name in sides}
    end = time.perf_counter() + seconds
    for i in range(repeat):
        if i and time.perf_counter() > end:
            break
        for name in list(sides) if i % 2 == 0 else reversed(sides):
            side, rounds = sides[name], times[name]
            if not isinstance(side, Steps):
                rounds[TOTAL].append(clock(side))
                continue
            spent = {step: clock(call) for step, call in side.steps.items()}
            for step, value in spent.items():
                rounds.setdefault(step, []).append(value)
            rounds[TOTAL].append(sum(v for step, v in spent.items() if step not in side.apart))
    return times


def cpu_clock(call: Call) -> float:
    """Milliseconds of a call; the destruction of what it returns does not count."""
    start = time.perf_counter()
    result = call()
    stop = time.perf_counter()
    del result
    return 1000 * (stop - start)


def cuda_clock(call: Call) -> float:
    """Milliseconds between device events before and after a call, on an idle device."""
    torch.cuda.synchronize()
    start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    result = call()
    stop.record()
    torch.cuda.synchronize()
    del result
    return start.elapsed_time(stop)


def summary(values: list[float]) -> dict[str, float]:
    """Median, quartiles and number of values."""
    low, median, high = (float(v) for v in np.percentile(values, (25, 50, 75)))
    return dict(median=median, low=low, high=high, rounds=len(values))
