"""A bar while a runner tests."""

from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


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
