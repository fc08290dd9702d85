"""How far a long detection is, on a terminal and elsewhere."""

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PAUSE = 10.0  # seconds between lines where there is no terminal


class InferenceProgress:
    """A bar on a terminal; a line every few seconds elsewhere.

    Args:
        console: where to write.
        total: of frames; None where nobody knows.
        pause: seconds between lines.
    """

    def __init__(self, console: Console, total: int | None, pause: float = PAUSE) -> None:
        self.console, self.total, self.pause = console, total, pause
        self.done = 0
        self._start = self._said = time.perf_counter()
        self._bar = Progress(
            TextColumn('detecting'),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn('{task.fields[rate]}'),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task('', total=total, rate='')

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.perf_counter() - self._start

    @property
    def rate(self) -> str:
        """Images per second, in words."""
        return f'{self.done / max(self.seconds, 1e-9):.1f} images/s'

    def advance(self) -> None:
        """One more is done."""
        self.done += 1
        self._bar.update(self._task, completed=self.done, rate=self.rate)
        now = time.perf_counter()
        if not self.console.is_terminal and now - self._said >= self.pause:
            self._said = now
            of = '' if self.total is None else f' of {self.total}'
            self.say(f'{self.done}{of} images, {self.rate}')

    def say(self, sentence: str) -> None:
        """Print a sentence without disturbing the bar."""
        self.console.print(sentence, markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> 'InferenceProgress':
        self._start = self._said = time.perf_counter()
        self._bar.start()
        return self

    def __exit__(self, *args) -> None:
        self._bar.stop()
