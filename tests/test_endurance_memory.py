"""Memory that a training takes does not grow with its iterations."""

import gc
import os
from pathlib import Path

import pytest
from mmengine.hooks import Hook
from tiny_training import make_runner, make_set

PAGE = os.sysconf('SC_PAGE_SIZE') if hasattr(os, 'sysconf') else 4096
HOOKS = dict(
    logger=dict(type='LoggerHook', interval=50),
    checkpoint=dict(type='centernet_plugin.CheckpointHook', interval=20, max_keep_ckpts=1),
    invalid_loss=dict(type='centernet_plugin.CheckInvalidLossHook'),
)

pytestmark = pytest.mark.skipif(
    not Path('/proc/self/statm').exists(), reason='measures by /proc, which only Linux has'
)


def resident() -> float:
    """MB that this process holds in memory."""
    return int(Path('/proc/self/statm').read_text().split()[1]) * PAGE / 2**20


class Measure(Hook):
    """Keeps what is resident every so many iterations."""

    priority = 'LOWEST'

    def __init__(self, interval: int) -> None:
        self.interval, self.values = interval, []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if self.every_n_train_iters(runner, self.interval):
            gc.collect()
            self.values.append(resident())


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return make_set(tmp_path_factory.mktemp('set'), images=20)


@pytest.mark.parametrize(
    ('iterations', 'most'),
    [(90, 3), pytest.param(1500, 4, marks=pytest.mark.slow)],
)
def test_memory_does_not_grow(data, tmp_path, iterations, most):
    """``most``: MB more at the end than after a third."""
    measure = Measure(iterations // 10)
    make_runner(
        data, tmp_path / 'run', measure, epochs=iterations // 10, default_hooks=HOOKS
    ).train()
    assert len(measure.values) == 10
    growth = measure.values[-1] - measure.values[3]
    assert growth < most, measure.values
