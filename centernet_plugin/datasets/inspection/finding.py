"""What the check has to say: one sentence each, the worst first."""

from collections.abc import Iterable
from dataclasses import dataclass

SEVERITIES = ('error', 'warning', 'note')


@dataclass(frozen=True)
class Finding:
    """One thing that a person should know about a set.

    Attributes:
        severity: ``'error'``: training or testing fails, or learns something wrong; ``'warning'``:
            objects are lost or something is probably not meant; ``'note'``: good to know.
        key: name of the kind of finding, for programs.
        message: what it is and what to do.
        count: how many images, objects or classes it is about.
        examples: some of them.
    """

    severity: str
    key: str
    message: str
    count: int = 1
    examples: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(f'unknown severity {self.severity!r}, choose one of {SEVERITIES}')


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Errors, then warnings, then notes, otherwise in the order given."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def count_of(number: int, noun: str, plural: str | None = None) -> str:
    """``1 box``, ``2 boxes``."""
    return f'{number:,} {noun if number == 1 else plural or noun + "s"}'


def percent(part: float, whole: float) -> str:
    """Share in per cent, with two digits where it is small."""
    share = 100 * part / whole if whole else 0.0
    if 0 < share < 0.01:
        return '<0.01 %'
    return f'{share:.2f} %' if 0 < share < 1 else f'{share:.0f} %'


def listed(names: Iterable[str], most: int = 5) -> str:
    """Names with commas, the rest as dots."""
    names = list(names)
    return ', '.join(names[:most]) + (', …' if len(names) > most else '')
