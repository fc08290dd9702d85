"""The bar of a test counts on a terminal and is silent elsewhere."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from centernet_plugin.engine.progress import TestBarHook


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
