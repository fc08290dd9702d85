"""Bars count on a terminal; elsewhere a test is silent and a training gives a line per epoch."""

import io
from types import SimpleNamespace

import pytest
from mmengine.logging import HistoryBuffer
from rich.console import Console

from centernet_plugin.engine.progress import ProgressHook, TestBarHook


@pytest.mark.parametrize('terminal', [True, False])
def test_counts_batches(terminal):
    file = io.StringIO()
    hook = TestBarHook(Console(file=file, force_terminal=terminal, width=60))
    runner = SimpleNamespace(test_dataloader=range(3))
    hook.before_test_epoch(runner)
    for i in range(3):
        hook.after_test_iter(runner, i)
    (task,) = hook.bar.tasks
    assert (task.completed, task.total) == (3, 3)
    hook.after_test_epoch(runner)
    hook.after_run(runner)
    assert ('3/3' in file.getvalue()) == terminal


@pytest.mark.parametrize('terminal', [True, False])
def test_a_line_per_epoch(terminal):
    file = io.StringIO()
    hook = ProgressHook(Console(file=file, force_terminal=terminal, width=80, highlight=False))
    losses = HistoryBuffer([9.0, 3.0, 5.0], [1, 1, 1])
    runner = SimpleNamespace(
        iter=0,
        epoch=0,
        max_iters=4,
        max_epochs=2,
        train_dataloader=range(2),
        message_hub=SimpleNamespace(get_scalar=lambda name: losses),
    )
    hook.before_train(runner)
    for runner.iter in range(2):
        hook.after_train_iter(runner, runner.iter)
    (task,) = hook.bar.tasks
    assert (task.completed, task.total) == (2, 4)
    hook.after_train_epoch(runner)
    hook.after_train(runner)
    assert hook.bar is None
    hook.after_run(runner)
    assert 'epoch   1 / 2   loss   4.000' in file.getvalue()
