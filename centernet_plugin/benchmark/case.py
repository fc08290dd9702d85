"""One comparison: what runs on each side, and what makes the sides equal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

OURS, BASE = 'ours', 'mmdet'
FASTEST = 'fastest'

Call = Callable[[], Any]


class Skip(Exception):  # noqa: N818  not an error
    """Raised by ``prepare``: the case cannot be run here; the message says why."""


class Steps:
    """A call in named steps, each of which is timed.

    Args:
        steps: run in order; what they pass on they keep to themselves.
        result: what the call gives, after the last step.
        apart: steps that are not part of the total.
    """

    def __init__(self, steps: dict[str, Call], result: Call, apart: tuple[str, ...] = ()) -> None:
        self.steps, self.result, self.apart = steps, result, apart

    def __call__(self) -> Any:
        for step in self.steps.values():
            step()
        return self.result()


@dataclass(kw_only=True)
class Work:
    """A case ready to run.

    Attributes:
        sides: what is timed, by name: ``'ours'``, its variants (``'ours, compiled'``) and
            ``'mmdet'``. A side that is None is left out.
        check: ``check(side, output, reference)`` of what a side and ``'mmdet'`` (the first side
            where there is no ``'mmdet'``) returned: how they differ, or '' if they are the same.
        absent: sides that cannot run here, and why.
    """

    sides: dict[str, Call | None]
    check: Callable[[str, Any, Any], str] | None = None
    absent: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A row of the table, or several: one for each side.

    Attributes:
        group, name: what is compared; unique together.
        prepare: makes what is timed. Raises :class:`Skip` where nothing can be.
        measure: ``'time'``, ``'memory'`` (bytes that a call adds at its peak) or ``'syncs'`` (how
            often it waits for the device).
        unit: of the values.
        convert: from milliseconds or bytes to the unit.
        more_is_better: of the values.
        goals: ratio to ``'mmdet'`` that a side has to reach, by side; ``'fastest'`` stands for the
            fastest of ours.
        inexact: sides whose results are only close to the others', which are not that fastest.
        limit: value that ``'ours'`` must not exceed.
        series, at: the row belongs to a series, such as that of growing numbers of objects.
        growth: factor by which a series may grow from its first row to this one.
    """

    group: str
    name: str
    prepare: Callable[[], Work]
    measure: str = 'time'
    unit: str = 'ms'
    convert: Callable[[float], float] = float
    more_is_better: bool = False
    goals: Mapping[str, float] = field(default_factory=dict)
    inexact: tuple[str, ...] = ()
    limit: float | None = None
    series: str | None = None
    at: int | None = None
    growth: float | None = None

    @property
    def title(self) -> str:
        return f'{self.group}: {self.name}'
