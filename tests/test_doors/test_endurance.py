"""What happens to a training from the scripts: kill -9, a full disk, losses that are no numbers."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.runner import find_latest_checkpoint

from .conftest import ROOT, environment, output, run_process
from .test_tools import free_port, sentence

sys.path.insert(0, str(Path(__file__).parents[1]))
from tiny_training import differing, logged, weights  # noqa: E402

pytestmark = pytest.mark.door
TRAIN = ROOT / 'tools' / 'train.py'
HERE = dict(PYTHONPATH=str(ROOT))  # this checkout, whichever one is installed
CHANGES = """
default_hooks.update(
    checkpoint=dict(type='centernet_plugin.CheckpointHook', interval=1, max_keep_ckpts=2),
    sampler_seed=dict(type='centernet_plugin.SeedHook'),
    invalid_loss=dict(type='centernet_plugin.CheckInvalidLossHook'),
)
custom_hooks = [dict(type='EMAHook')]
train_cfg.update(val_interval=1000)
randomness = dict(seed=5)
"""


@pytest.fixture(scope='session')
def enduring(write_config) -> Path:
    return write_config('enduring', CHANGES)


def test_full_disk(call, enduring, tmp_path):
    """A limit on the size of a file stands for it: the log still fits, a checkpoint does not."""
    command = (enduring, '--work-dir', 'run')
    assert call('train.py', *command)[0] == 0
    first = tmp_path / 'run' / 'epoch_1.pth'
    limit = first.stat().st_size // 2048  # kB
    script = f'ulimit -f {limit}; exec "$@"'
    options = ('--resume', '--cfg-options', 'train_cfg.max_epochs=2')
    shell = ('bash', '-c', script, 'bash', sys.executable, TRAIN)
    result = run_process(*shell, *command, *options, cwd=tmp_path, code=2, **HERE)
    assert sentence(result) == (
        f"error: a checkpoint could not be written (File too large); '{first}' is whole; "
        'make room, and --resume goes on from there'
    )
    assert [path.name for path in first.parent.glob('*.pth*')] == ['epoch_1.pth']
    assert find_latest_checkpoint(str(first.parent)) == str(first)
    assert call('train.py', *command, *options)[0] == 0
    assert torch.load(first.with_name('epoch_2.pth'), weights_only=False)['meta']['epoch'] == 2


def test_loss_that_is_no_number(call, enduring, tmp_path):
    options = ('optim_wrapper.optimizer.lr=1e30', 'train_cfg.max_epochs=9')
    code, errors = call('train.py', enduring, '--work-dir', 'run', '--cfg-options', *options)
    lines = [line for line in errors.splitlines() if line.startswith('error: ')]
    assert code == 2 and len(lines) == 1, errors
    assert re.match(r'error: the loss is (nan|inf) \(loss_\w+.*\) in iteration \d, with', lines[0])
    (path,) = (tmp_path / 'run').glob('invalid_loss_iter_*.json')
    for image in json.loads(path.read_text())['images']:
        assert image['img_path'] in lines[0]


POISON = """
import os

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class Poison(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if os.environ['RANK'] == '1' and runner.epoch == 1 and self.is_last_iter(runner):
            next(runner.model.parameters()).data.fill_(torch.nan)

    def is_last_iter(self, runner):
        return (runner.iter + 1) % len(runner.train_dataloader) == 0
"""


@pytest.mark.slow
def test_loss_of_one_process_that_is_no_number(write_config, tmp_path):
    """The other process, whose loss is a number, does not save the weights that are none."""
    (tmp_path / 'poison.py').write_text(POISON)
    changes = "custom_imports['imports'].append('poison')\ncustom_hooks = [dict(type='Poison')]\n"
    config = write_config('poisoned', CHANGES + changes)
    options = ('--cfg-options', 'train_cfg.max_epochs=3', 'train_dataloader.batch_size=1')
    variables = dict(
        PYTHON=sys.executable,
        PORT=str(free_port()),
        PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)]),
    )
    command = ('bash', ROOT / 'tools' / 'dist_train.sh', config, 2, '--work-dir', 'run', *options)
    result = run_process(*command, cwd=tmp_path, code=None, **variables)
    text = output(result)
    assert result.returncode != 0
    assert 'error: the loss is nan' in text and 'in iteration 4, with the images' in text
    assert (tmp_path / 'run' / 'invalid_loss_iter_4_rank_1.json').is_file()
    assert [path.name for path in (tmp_path / 'run').glob('*.pth*')] == ['epoch_1.pth']
    last = find_latest_checkpoint(str(tmp_path / 'run'))
    assert os.path.basename(last) == 'epoch_1.pth'
    state = torch.load(last, weights_only=False)['state_dict']
    assert all(torch.isfinite(value).all() for value in state.values())


def kill_after(command, folder, epoch, **variables):
    """Runs a training until it has saved an epoch, and kills it with all that it started."""
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=folder.parent,
        env=environment() | HERE | variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    deadline = time.monotonic() + 240
    try:
        while not (folder / f'epoch_{epoch}.pth').exists():
            assert process.poll() is None, process.stderr.read().decode()[-3000:]
            assert time.monotonic() < deadline, 'no epoch'
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize('workers', [0, 2])
def test_kill_9_and_resume(enduring, tmp_path, workers):
    epochs = 40
    loader = [f'train_dataloader.num_workers={workers}']
    loader.append(f'train_dataloader.persistent_workers={workers > 0}')
    options = ('--cfg-options', f'train_cfg.max_epochs={epochs}', *loader)
    whole, killed = (
        (sys.executable, TRAIN, enduring, '--work-dir', name, *options)
        for name in ('whole', 'killed')
    )
    run_process(*whole, cwd=tmp_path, **HERE)
    kill_after(killed, tmp_path / 'killed', epoch=3)
    done = int(re.search(r'epoch_(\d+)', find_latest_checkpoint(str(tmp_path / 'killed'))).group(1))
    assert 2 <= done < epochs  # the file may be there before last_checkpoint names it
    text = output(run_process(*killed, '--resume', cwd=tmp_path, **HERE))
    assert f'resumed epoch: {done}' in text
    last = f'epoch_{epochs}.pth'
    assert differing(weights(tmp_path / 'killed' / last), weights(tmp_path / 'whole' / last)) == []
    assert logged(tmp_path / 'killed') == logged(tmp_path / 'whole')


@pytest.mark.slow
def test_two_processes_killed_and_resumed(enduring, tmp_path):
    epochs = 40
    options = ('--cfg-options', f'train_cfg.max_epochs={epochs}', 'train_dataloader.batch_size=1')

    def command(name, *more):
        script = ROOT / 'tools' / 'dist_train.sh'
        return ('bash', script, enduring, 2, '--work-dir', name, *more, *options)

    def variables():
        return dict(PYTHON=sys.executable, PORT=str(free_port()))

    run_process(*command('whole'), cwd=tmp_path, **HERE, **variables())
    kill_after(command('killed'), tmp_path / 'killed', epoch=3, **variables())
    run_process(*command('killed', '--resume'), cwd=tmp_path, **HERE, **variables())
    last = f'epoch_{epochs}.pth'
    assert differing(weights(tmp_path / 'killed' / last), weights(tmp_path / 'whole' / last)) == []
    assert logged(tmp_path / 'killed') == logged(tmp_path / 'whole')
