"""The switches of docs/training.md, each as it stands there, in a training of some iterations."""

import re
import sys
from types import ModuleType

import pytest
import torch
from mmengine.config import Config

from centernet_plugin.engine import cli
from centernet_plugin.errors import UserInputError

from .conftest import ROOT

pytestmark = pytest.mark.door
PAGE = (ROOT / 'docs/training.md').read_text()
SWITCHES = {
    title: block
    for title, block in re.findall(r'^### (.+?)\n.*?```python\n(.+?)```', PAGE, re.S | re.M)
}


@pytest.fixture
def train(config, tmp_path):
    """Trains the tiny config with a switch behind it; the runner, when it is done."""

    def train(title: str, hooks: tuple[dict, ...] = (), **options):
        base = tmp_path / 'base.py'
        hooks = [dict(type='centernet_plugin.SanityCheckHook'), *hooks]
        base.write_text(config.read_text() + f'\ncustom_hooks = {hooks}\n')
        path = tmp_path / 'switched.py'
        switch = re.sub('^_base_ = .*', '', SWITCHES[title])  # of the page, a large network
        path.write_text("_base_ = './base.py'\n" + switch)
        cfg = Config.fromfile(path)
        own = dict(work_dir=str(tmp_path / 'run'), launcher='none', experiment_name=title)
        own['visualizer.name'] = title  # one of the same name is used again
        cfg.merge_from_dict(own | options)
        torch.manual_seed(0)
        runner = cli.build_runner(cfg)
        runner.train()
        return runner

    return train


def test_all_switches_are_tested():
    assert len(SWITCHES) == 5


def test_accumulation(train):
    runner = train('Larger batches than memory has room for', **{'train_cfg.max_epochs': 2})
    assert runner.optim_wrapper._accumulative_counts == 4
    # Four batches of two: one step.
    assert next(iter(runner.optim_wrapper.optimizer.state.values()))['step'] == 1


def test_half_precision(train, monkeypatch):
    seen = set()
    convolve = torch.nn.functional.conv2d

    def note(*args, **kwargs):
        found = convolve(*args, **kwargs)
        seen.add(found.dtype)
        return found

    monkeypatch.setattr(torch.nn.functional, 'conv2d', note)
    runner = train('Half precision')
    assert torch.bfloat16 in seen
    assert {p.dtype for p in runner.model.parameters()} == {torch.float32}


def test_average_of_the_weights(train, tmp_path):
    train('A moving average of the weights')
    content = torch.load(tmp_path / 'run/epoch_1.pth', weights_only=False)
    averaged, latest = content['state_dict'], content['ema_state_dict']
    name = 'backbone.layer1.0.conv1.weight'
    assert not torch.equal(averaged[name], latest[f'module.{name}'])


def test_second_average_of_the_weights(train):
    with pytest.raises(UserInputError, match='custom_hooks has 2 times EMAHook'):
        train('A moving average of the weights', hooks=(dict(type='EMAHook'),))


def test_which_configs_have_an_average():
    """As the page says: the modern ones, and not the one that it adds the average to."""
    base = re.search("^_base_ = '(.+)'", SWITCHES['A moving average of the weights'])[1]
    modern = sorted((ROOT / 'configs').glob('*/*modern*.py'))
    assert modern
    for path in (ROOT / base, *modern):
        hooks = Config.fromfile(path).custom_hooks
        assert any(hook.type == 'EMAHook' for hook in hooks) == (path in modern), path


def test_tensorboard(train, tmp_path):
    pytest.importorskip('tensorboard')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train('TensorBoard')
    (file,) = (tmp_path / 'run').glob('**/events.out.tfevents*')
    events = EventAccumulator(str(file))
    events.Reload()
    assert {'loss', 'loss_heatmap', 'coco/bbox_mAP'} <= set(events.Tags()['scalars'])


def test_weights_and_biases(train, monkeypatch):
    told = []

    class Standin(ModuleType):
        """What mmengine calls of the package, noted."""

        def __getattr__(self, name):
            if name.startswith('__'):  # inspect asks every module
                raise AttributeError(name)
            return lambda *args, **kwargs: told.append((name, args, kwargs))

    module = Standin('wandb')
    module.run = module.config = Standin('wandb.run')
    monkeypatch.setitem(sys.modules, 'wandb', module)
    train('Weights & Biases')
    name, _, options = told[0]
    assert name == 'init' and options['project'] == 'centernet'
    logged = [args[0] for name, args, _ in told if name == 'log']
    assert any('loss_heatmap' in row for row in logged)
    assert any('coco/bbox_mAP' in row for row in logged)
