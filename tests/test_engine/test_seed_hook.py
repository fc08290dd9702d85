"""A training that was interrupted and resumed against one that was not."""

import pickle
import random
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.registry import DATA_SAMPLERS
from tiny_training import (
    BATCH,
    IMAGES,
    Record,
    Stop,
    StopError,
    differing,
    logged,
    make_runner,
    make_set,
    weights,
)

from centernet_plugin.engine import SeedHook
from centernet_plugin.engine.hooks import seed_hook
from centernet_plugin.engine.randomness import Counted, SeededFetch, seed_all

LENGTH = IMAGES // BATCH  # iterations of an epoch
EPOCHS = 3
TESTS = Path(__file__).resolve().parents[1]
KILLED = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
import centernet_plugin
from tiny_training import Stop, make_runner
make_runner(Path(sys.argv[1]), Path(sys.argv[2]), Stop(8, kill=True)).train()
"""


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return make_set(tmp_path_factory.mktemp('set'))


@pytest.fixture(scope='module')
def whole(data, tmp_path_factory):
    """Work dir and record of the training that nothing interrupts."""
    folder, record = tmp_path_factory.mktemp('seed') / 'whole', Record()
    make_runner(data, folder, record, epochs=EPOCHS).train()
    return folder, record


def interrupt(data, folder, stop, **settings):
    runner = make_runner(data, folder, Stop(stop), **settings)
    with pytest.raises(StopError):
        runner.train()
    end_workers(runner)


def resume(data, folder, **settings):
    """What a runner that knows nothing but the work dir does to the end."""
    record = Record()
    settings = dict(resume=True, randomness=dict(seed=None), log_level='INFO') | settings
    name = f'{folder.parent.name}-on'
    runner = make_runner(data, folder, record, experiment_name=name, **settings)
    runner.train()
    end_workers(runner)
    return record


def end_workers(runner):
    """The garbage collector would take seconds for it."""
    if runner.train_dataloader.num_workers:
        runner.train_dataloader._iterator._shutdown_workers()


def rest(record, start):
    """Images and losses from an iteration on."""
    return [
        {i: value for i, value in values.items() if i >= start}
        for values in (record.images, record.losses)
    ]


def test_killed_training_resumed_equals_an_uninterrupted_one(data, whole, tmp_path):
    folder, expected = whole
    command = [sys.executable, '-c', KILLED, data, tmp_path / 'run', TESTS, TESTS.parent]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(logged(tmp_path / 'run')) == 8
    record = resume(data, tmp_path / 'run')
    assert rest(record, 0) == rest(expected, LENGTH)
    last = f'epoch_{EPOCHS}.pth'
    assert differing(weights(tmp_path / 'run' / last), weights(folder / last)) == []
    assert logged(tmp_path / 'run') == logged(folder)


def test_number_of_loading_processes_changes_nothing(data, whole, tmp_path):
    folder, expected = whole
    interrupt(data, tmp_path / 'run', LENGTH + 1)
    record = resume(data, tmp_path / 'run', workers=2)
    assert rest(record, 0) == rest(expected, LENGTH)
    last = f'epoch_{EPOCHS}.pth'
    assert differing(weights(tmp_path / 'run' / last), weights(folder / last)) == []


@pytest.mark.parametrize('stop', [LENGTH + 3, 2 * LENGTH])
def test_checkpoint_amid_an_epoch(data, whole, tmp_path, stop):
    folder, expected = whole
    hooks = dict(default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=False)))
    hooks['default_hooks']['checkpoint']['interval'] = 1
    interrupt(data, tmp_path / 'run', stop, **hooks)
    record = resume(data, tmp_path / 'run', **hooks)
    assert rest(record, 0) == rest(expected, stop)
    last = weights(tmp_path / 'run' / f'iter_{EPOCHS * LENGTH}.pth')
    assert differing(last, weights(folder / f'epoch_{EPOCHS}.pth')) == []


def test_epoch_of_another_length_begins_anew(data, tmp_path):
    hooks = dict(default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=False)))
    hooks['default_hooks']['checkpoint']['interval'] = 1
    interrupt(data, tmp_path / 'run', LENGTH + 3, **hooks)
    record = resume(data, tmp_path / 'run', epochs=2, dataset=dict(indices=8), **hooks)
    assert list(record.losses) == [8, 9, 10, 11]
    messages = ''.join(path.read_text() for path in tmp_path.glob('run/*/*.log'))
    assert 'is from amid epoch 2, which begins anew' in messages


def test_longer_epochs_after_a_whole_one_begin_at_their_beginning(data, tmp_path):
    interrupt(data, tmp_path / 'run', 5, dataset=dict(indices=8))  # of 4 iterations
    record = resume(data, tmp_path / 'run', epochs=2)
    assert list(record.losses) == [4, 5, 6, 7, 8]


def test_epochs_images_and_seeds_differ(data, whole, tmp_path):
    epochs = [sum(list(whole[1].images.values())[e : e + LENGTH], []) for e in (0, 5, 10)]
    assert all(sorted(names) == sorted(epochs[0]) for names in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    other = Record()
    make_runner(data, tmp_path / 'other', other, epochs=1, randomness=dict(seed=4)).train()
    assert other.images != rest(whole[1], 0)[0]


class Draws:
    """Its samples are random numbers of all generators that augmentation takes them from."""

    def __getitem__(self, index):
        return random.random(), float(np.random.random()), float(torch.rand(()))


def test_samples_depend_on_seed_epoch_and_index_alone():
    fetch, second = SeededFetch(Draws(), 3), SeededFetch(Draws(), 4)
    first = fetch([5, 6])
    np.random.random(7), random.random(), torch.rand(2)
    assert fetch([6, 5]) == first[::-1]
    fetch.epoch.fill_(1)
    drawn = [*first, *fetch([5, 6]), *second([5, 6])]
    for numbers in zip(*drawn, strict=True):
        assert len(set(numbers)) == 6


def test_an_image_drawn_again_has_another_augmentation():
    first, *again = Counted([5, 6, 5, 5])
    assert (first, again, len(Counted([5, 6]))) == (5, [6, 5, 5], 2)
    indices = pickle.loads(pickle.dumps([first, *again]))  # as loading processes get them
    drawn = SeededFetch(Draws(), 3)(indices)
    assert drawn[:2] == SeededFetch(Draws(), 3)([5, 6])
    for numbers in zip(*drawn, strict=True):
        assert len(set(numbers)) == 4


class TwiceSampler(DefaultSampler):
    """Draws the first images twice, and no others."""

    def __iter__(self):
        half = list(range(len(self) // 2))
        return iter(half + half)


def test_sampler_that_repeats_images(data, tmp_path):
    DATA_SAMPLERS.register_module(module=TwiceSampler, force=True)
    loader = dict(sampler=dict(type='TwiceSampler'))
    record = Record()
    runner = make_runner(data, tmp_path / 'run', record, epochs=1, loader=loader)
    seen = {}
    convert = runner.model.data_preprocessor.forward

    def note(batch, training=False):
        for image, sample in zip(batch['inputs'], batch['data_samples'], strict=True):
            seen.setdefault(sample.img_id, []).append(image)
        return convert(batch, training)

    runner.model.data_preprocessor.forward = note
    runner.train()
    assert len(seen) == LENGTH and all(len(pair) == 2 for pair in seen.values())
    assert not any(torch.equal(*pair) for pair in seen.values())


def test_streams_are_those_of_random_numbers():
    values = []
    for index in range(4000):
        seed_all(0, 0, 1, index)
        values.append([random.random(), np.random.random(), float(torch.rand(()))])
    values = np.array(values)
    assert abs(values.mean(0) - 0.5).max() < 4 / np.sqrt(12 * 4000)
    assert abs(values.var(0) - 1 / 12).max() < 4 / np.sqrt(180 * 4000)
    neighbours = np.corrcoef(np.hstack([values[1:], values[:-1]]).T) - np.eye(6)
    assert abs(neighbours).max() < 4 / np.sqrt(4000)


def test_seed_of_a_sampler_that_the_config_gives_stays(data, tmp_path):
    loader = dict(sampler=dict(type='DefaultSampler', shuffle=True, seed=11))
    interrupt(data, tmp_path / 'run', LENGTH + 1, loader=loader)
    record = Record()
    settings = dict(resume=True, randomness=dict(seed=None), experiment_name='eleven')
    runner = make_runner(data, tmp_path / 'run', record, loader=loader, **settings)
    runner.train()
    assert (runner.train_dataloader.sampler.seed, runner.seed) == (11, 3)


def test_loop_by_iterations_repeats_no_augmentation(data, tmp_path):
    runner = make_runner(
        data,
        tmp_path / 'run',
        loader=dict(sampler=dict(type='InfiniteSampler')),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=2),
        param_scheduler=None,
    )
    runner.train()
    assert isinstance(runner.train_dataloader.sampler, InfiniteSampler)
    assert not hasattr(runner.train_dataloader.dataset, '__getitems__')


@pytest.mark.parametrize('workers', [0, 2])
def test_loop_by_iterations_has_its_order_again(data, tmp_path, workers):
    settings = dict(
        loader=dict(sampler=dict(type='InfiniteSampler')),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=6),
        param_scheduler=None,
        workers=workers,
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1)),
    )
    expected = Record()
    runner = make_runner(data, tmp_path / 'whole', expected, **settings)
    runner.train()
    end_workers(runner)
    interrupt(data, tmp_path / 'run', 4, **settings)
    assert resume(data, tmp_path / 'run', **settings).images == rest(expected, 4)[0]


def test_processes_draw_other_numbers_in_the_network(monkeypatch):
    runner, hook, drawn = SimpleNamespace(seed=3, iter=5), SeedHook(), []
    for rank in (0, 1, 0):
        monkeypatch.setattr(seed_hook, 'get_rank', lambda rank=rank: rank)
        hook.before_train_iter(runner, 0)
        drawn.append(float(torch.rand(())))
    assert drawn[0] == drawn[2] != drawn[1]
