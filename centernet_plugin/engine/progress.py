"""Bars while a runner trains or tests."""

import time

from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)


class ProgressHook(Hook):
    """A bar while training, and one line per epoch that also a file or a pipe receives.

    Args:
        console: where to write.
    """

    priority = 'VERY_LOW'

    def __init__(self, console: Console) -> None:
        self.console = console
        self.bar: Progress | None = None

    def before_train(self, runner: Runner) -> None:
        self.started, self.first = time.perf_counter(), runner.iter
        self.bar = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )
        self.task = self.bar.add_task('training', total=runner.max_iters, completed=runner.iter)
        self.bar.start()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None):
        self.bar.update(self.task, completed=runner.iter + 1)

    def after_train_epoch(self, runner: Runner) -> None:
        losses = runner.message_hub.get_scalar('train/loss')
        done = runner.iter - self.first
        elapsed = time.perf_counter() - self.started
        left = elapsed / max(done, 1) * (runner.max_iters - runner.iter)
        self.console.print(
            f'epoch {runner.epoch + 1:3d} / {runner.max_epochs}   '
            f'loss {losses.mean(len(runner.train_dataloader)):7.3f}   '
            f'{elapsed / 60:5.1f} min done, {left / 60:4.1f} min left'
        )

    def after_train(self, runner: Runner) -> None:
        self._stop()

    def after_run(self, runner: Runner) -> None:
        self._stop()

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


class TestBarHook(Hook):
    """Counts the batches of a test, for as long as it runs.

    Args:
        console: where to write.
    """

    __test__ = False  # pytest takes every class of this name for tests
    priority = 'VERY_LOW'

    def __init__(self, console: Console) -> None:
        self.bar = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def before_test_epoch(self, runner: Runner) -> None:
        self.task = self.bar.add_task('testing', total=len(runner.test_dataloader))
        self.bar.start()

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None):
        self.bar.update(self.task, completed=batch_idx + 1)

    def after_test_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        self.bar.stop()

    def after_run(self, runner: Runner) -> None:
        self.bar.stop()
