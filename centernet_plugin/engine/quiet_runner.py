"""A runner that writes its log to the file and leaves the terminal to a progress bar."""

import contextlib
import io
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator

from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


class QuietRunner(Runner):
    """mmengine's Runner whose terminal shows errors only; its log file has everything."""

    def build_logger(self, *args, **kwargs) -> MMLogger:
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.setLevel(logging.ERROR)
        return logger

    def _log_env(self, env_cfg: dict) -> None:
        """As ever, without what the shell says where mmengine looks for a compiler in vain."""
        sys.stderr.flush()
        saved = os.dup(2)
        try:
            with open(os.devnull, 'w') as nothing:
                os.dup2(nothing.fileno(), 2)
            super()._log_env(env_cfg)
        finally:
            os.dup2(saved, 2)
            os.close(saved)


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


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Context without what ``print`` says and without the advice of optional packages."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='faster_coco_eval')
        warnings.filterwarnings('ignore', message='.*instance named of visualizer')
        yield
