"""A disk without room takes no checkpoint that was there."""

import errno
import math
import os

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.runner import find_latest_checkpoint
from tiny_training import Record, make_runner, make_set, pipeline, weights

from centernet_plugin.engine import whole_files
from centernet_plugin.engine.cli import explain
from centernet_plugin.errors import UserInputError

ONE = dict(checkpoint=dict(type='centernet_plugin.CheckpointHook', interval=1, max_keep_ckpts=1))


class Rising(BaseMetric):
    """Is better every time."""

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        Rising.value += 1
        return dict(score=Rising.value, half=Rising.value / 2)

    value = 0


class FullDisk(Hook):
    """After so many whole epochs nothing can be written."""

    priority = 'LOWEST'

    def __init__(self, monkeypatch, epochs, where):
        self.arguments = monkeypatch, epochs, where

    def before_train_epoch(self, runner):
        monkeypatch, epochs, where = self.arguments
        if runner.epoch == epochs:
            no_room(monkeypatch, where)


def no_room(monkeypatch, where):
    """Lets saving fail half-way, within torch or at the disk."""

    def save(content, file, *args, **kwargs):
        file.write(b'half a checkpoint')
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fsync(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if where == 'torch':
        monkeypatch.setattr(torch, 'save', save)
    else:
        monkeypatch.setattr(whole_files.os, 'fsync', fsync)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return make_set(tmp_path_factory.mktemp('set'), images=4)


def validation(data):
    dataset = dict(
        type='centernet_plugin.CocoDataset',
        data_root=str(data),
        ann_file='annotations/instances_val.json',
        data_prefix=dict(img='val/'),
        metainfo=dict(classes=('disc', 'box', 'star')),
        pipeline=[*pipeline()[:2], pipeline()[-1]],
        test_mode=True,
    )
    loader = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False))
    return dict(
        val_dataloader=dict(loader, dataset=dataset), val_evaluator=[Rising()], val_cfg=dict()
    )


@pytest.mark.parametrize('where', ['torch', 'disk'])
def test_full_disk_leaves_the_previous_checkpoint(data, tmp_path, monkeypatch, where):
    folder = tmp_path / 'run'
    runner = make_runner(data, folder, FullDisk(monkeypatch, 2, where), default_hooks=ONE)
    with pytest.raises(UserInputError) as caught:
        runner.train()
    monkeypatch.undo()
    assert sorted(path.name for path in folder.glob('*.pth*')) == ['epoch_2.pth']
    assert find_latest_checkpoint(str(folder)) == str(folder / 'epoch_2.pth')
    assert explain(caught.value) == (
        'a checkpoint could not be written (No space left on device); '
        f"'{folder}/epoch_2.pth' is whole; make room, and --resume goes on from there"
    )
    record = Record()
    settings = dict(default_hooks=ONE, resume=True, experiment_name='with room')
    make_runner(data, folder, record, **settings).train()
    assert min(record.losses) == 4
    assert sorted(path.name for path in folder.glob('*.pth*')) == ['epoch_3.pth']
    assert find_latest_checkpoint(str(folder)) == str(folder / 'epoch_3.pth')


def test_full_disk_at_the_first_checkpoint(data, tmp_path, monkeypatch):
    runner = make_runner(
        data, tmp_path / 'run', FullDisk(monkeypatch, 0, 'disk'), default_hooks=ONE
    )
    with pytest.raises(UserInputError, match='there is no earlier checkpoint'):
        runner.train()
    assert not list((tmp_path / 'run').glob('*.pth*'))


class Spoil(Hook):
    """What gradients of another process with a loss that is NaN do to the weights, once."""

    priority = 'ABOVE_NORMAL'

    def __init__(self, iterations, value):
        self.iterations, self.value = iterations, value

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.iterations:
            next(runner.model.neck.parameters()).data.view(-1)[0] = self.value


@pytest.mark.parametrize('value', [math.nan, -math.inf])
def test_weights_that_are_not_finite_are_not_saved(data, tmp_path, value):
    folder = tmp_path / 'run'
    runner = make_runner(data, folder, Spoil(4, value), default_hooks=ONE)
    with pytest.raises(UserInputError, match=r'^1 of \d+ weights are not finite') as caught:
        runner.train()
    last = folder / 'epoch_1.pth'
    assert str(caught.value).endswith(f"'{last}' is whole; --resume goes on from there")
    assert list(folder.glob('*.pth*')) == [last]
    assert find_latest_checkpoint(str(folder)) == str(last)


def test_best_checkpoint_stays_until_the_better_one_is_whole(data, tmp_path, monkeypatch):
    best = dict(checkpoint=dict(ONE['checkpoint'], save_best='score', rule='greater'))
    folder, saved = tmp_path / 'run', torch.save

    def save(content, file, *args, **kwargs):
        if content['meta']['epoch'] == 3 and 'optimizer' not in content:  # a best one
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        saved(content, file, *args, **kwargs)

    monkeypatch.setattr(torch, 'save', save)
    runner = make_runner(data, folder, default_hooks=best, **validation(data))
    with pytest.raises(UserInputError, match='epoch_3.pth. is whole'):
        runner.train()
    names = ['best_score_epoch_2.pth', 'epoch_3.pth']
    assert sorted(path.name for path in folder.glob('*.pth*')) == names
    assert all('state_dict' in torch.load(folder / name, weights_only=False) for name in names)


def test_keeps_what_mmengine_keeps(data, tmp_path):
    """The same files with the same weights, where there is room."""
    for name, kind in (('ours', 'centernet_plugin.CheckpointHook'), ('theirs', 'CheckpointHook')):
        Rising.value = 0
        hook = dict(type=kind, interval=1, max_keep_ckpts=2, save_best='score', rule='greater')
        make_runner(
            data, tmp_path / name, epochs=4, default_hooks=dict(checkpoint=hook), **validation(data)
        ).train()
    ours, theirs = (
        {path.name: path for path in (tmp_path / name).glob('*.pth*')}
        for name in ('ours', 'theirs')
    )
    assert set(ours) == set(theirs) == {'best_score_epoch_4.pth', 'epoch_3.pth', 'epoch_4.pth'}
    for name in ('epoch_3.pth', 'epoch_4.pth'):
        first, second = weights(ours[name]), weights(theirs[name])
        assert all(torch.equal(value, second[key]) for key, value in first.items())
    hub = torch.load(ours['epoch_4.pth'], weights_only=False)['message_hub']['runtime_info']
    assert list(hub['keep_ckpt_ids']) == [3, 4]
    assert hub['last_ckpt'] == str(ours['epoch_4.pth'])


def test_interrupted_writing_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / 'file'
    whole_files.write_whole(path, b'first')

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(whole_files.os, 'replace', interrupted)
    with pytest.raises(KeyboardInterrupt):
        whole_files.write_whole(path, b'second')
    assert path.read_bytes() == b'first'
    assert [p.name for p in tmp_path.iterdir()] == ['file']


def test_no_room_for_anything_else_is_a_sentence():
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'vis_data/scalars.json')
    sentence = "nothing more can be written 'vis_data/scalars.json': No space left on device"
    assert explain(error) == sentence
    assert explain(OSError(errno.EINVAL, 'Invalid argument')) is None


def test_validation_alone(data, tmp_path):
    best = dict(checkpoint=dict(ONE['checkpoint'], save_best='score', rule='greater'))
    runner = make_runner(data, tmp_path / 'run', default_hooks=best, **validation(data))
    assert 'score' in runner.val()
    assert not list((tmp_path / 'run').glob('*.pth*'))


def test_room_for_one_checkpoint_more_than_are_kept(data, tmp_path, monkeypatch):
    """Also where every epoch is a better one, whose file is written again after the best ones."""
    folder, peak, replace = tmp_path / 'run', [], os.replace

    def move(source, target):
        if str(target).endswith('.pth'):
            peak.append(len(list(folder.glob('*.pth*'))))
        replace(source, target)

    monkeypatch.setattr(whole_files.os, 'replace', move)
    best = dict(save_best=['score', 'half'], rule='greater', max_keep_ckpts=2)
    hooks = dict(checkpoint=dict(type='centernet_plugin.CheckpointHook', interval=1, **best))
    make_runner(data, folder, epochs=4, default_hooks=hooks, **validation(data)).train()
    kept = [path.name for path in folder.glob('*.pth*')]
    names = ['best_half_epoch_4.pth', 'best_score_epoch_4.pth', 'epoch_3.pth', 'epoch_4.pth']
    assert sorted(kept) == names
    assert max(peak) == len(names) + 1
