"""The learning rates of a whole training, with another batch size than the config's."""

import copy

import pytest
from mmengine.hooks import Hook
from tiny_training import BATCH, make_runner, make_set

from centernet_plugin.engine.scaled_schedules import scale_schedules

ONE_CYCLE = dict(type='OneCycleLR', eta_max=2e-3, total_steps=6, end=6, by_epoch=False)
SEVERAL = dict(ONE_CYCLE, eta_max=[2e-3])
ANNEALING = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=2),
    dict(type='CosineAnnealingLR', eta_min=1e-4, T_max=4, begin=2, end=6, by_epoch=False),
]
TWO = dict(  # for two optimizers
    generator=[dict(type='PolyLR', eta_min=1e-4), dict(type='PolyMomentum', eta_min=0.5)],
    critic=dict(type='MultiStepLR', milestones=[1]),
)


class Rates(Hook):
    def __init__(self) -> None:
        self.rates = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.rates.append(runner.optim_wrapper.get_lr()['lr'][0])


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return make_set(tmp_path_factory.mktemp('set'), images=4)


@pytest.mark.parametrize('schedule', [ONE_CYCLE, SEVERAL, ANNEALING], ids=('1', 'list', 'end'))
def test_every_rate_is_scaled(data, tmp_path, schedule):
    rates = []
    for enable in (False, True):
        settings = dict(
            param_scheduler=copy.deepcopy(schedule),
            auto_scale_lr=dict(enable=enable, base_batch_size=BATCH / 2),
        )
        hook = Rates()
        runner = make_runner(data, tmp_path / str(enable), hook, **settings)
        scale_schedules(runner)
        runner.train()
        rates.append(hook.rates)
    assert len(rates[0]) == 6 and len(set(rates[0])) > 3
    assert rates[1] == pytest.approx([2 * rate for rate in rates[0]], rel=1e-9)


def test_schedules_of_several_optimizers(data, tmp_path):
    scaling = dict(enable=True, base_batch_size=BATCH / 2)
    runner = make_runner(data, tmp_path / 'run', auto_scale_lr=scaling)
    runner.param_schedulers = copy.deepcopy(TWO)
    scale_schedules(runner)
    poly, momentum = runner.param_schedulers['generator']
    assert (poly['eta_min'], momentum['eta_min']) == (2e-4, 0.5)
    assert runner.param_schedulers['critic'] == TWO['critic']
