"""The scripts in tools/: training, going on after an interruption, testing, several processes."""

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time

import pytest
import torch

from .conftest import ROOT, environment, free_port, output

pytestmark = pytest.mark.door
TRAIN, TEST = ROOT / 'tools' / 'train.py', ROOT / 'tools' / 'test.py'


def test_train_writes_a_checkpoint_and_evaluates(trained):
    assert (trained / 'epoch_1.pth').is_file()
    text = (trained.parents[1] / 'output.txt').read_text()
    assert 'Epoch(train) [1][2/2]' in text
    assert 'bbox_mAP' in text


def test_test_evaluates_keeps_predictions_and_draws(run, config, checkpoint, tmp_path):
    result = run(
        sys.executable, TEST, config, checkpoint, '--out', 'predictions.pkl', '--show-dir', 'drawn'
    )
    assert re.search(r'coco/bbox_mAP: -?\d', output(result))
    predictions = pickle.loads((tmp_path / 'predictions.pkl').read_bytes())
    assert len(predictions) == 4
    assert len(list(tmp_path.glob('work_dirs/tiny/*/drawn/*'))) == 4


def test_interrupted_training_resumes(run, config, tmp_path):
    work_dir = tmp_path / 'run'
    command = [sys.executable, TRAIN, config, '--work-dir', work_dir, '--cfg-options']
    command = [str(part) for part in command]
    process = subprocess.Popen(
        [*command, 'train_cfg.max_epochs=1000', 'train_cfg.val_interval=1000'],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs, and what they start, ignore interrupts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        deadline = time.monotonic() + 200
        while not (work_dir / 'epoch_2.pth').exists() and process.poll() is None:
            assert time.monotonic() < deadline, 'no second epoch'
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            pytest.fail(f'not interrupted:\n{process.communicate()[1][-3000:]}')
    finally:
        process.kill()
    assert process.returncode == 130, errors[-3000:]
    assert '--resume' in errors

    done = int(re.search(r'epoch_(\d+)', (work_dir / 'last_checkpoint').read_text()).group(1))
    assert done >= 2
    result = run(*command, f'train_cfg.max_epochs={done + 1}', '--resume')
    text = output(result)
    assert f'resumed epoch: {done}' in text
    assert f'Epoch(train) [{done + 1}]' in text
    assert f'Epoch(train) [{done}]' not in text
    assert (work_dir / f'epoch_{done + 1}.pth').is_file()


@pytest.mark.slow
def test_distributed_training_and_test_on_two_cpu_processes(config, tmp_path):
    env = {**environment(), 'PYTHON': sys.executable, 'PORT': str(free_port())}

    def call(script, *arguments):
        command = [str(part) for part in ('bash', ROOT / 'tools' / script, *arguments)]
        done = subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
        return output(done)

    text = call('dist_train.sh', config, 2, '--work-dir', 'run')
    assert 'Epoch(train) [1][1/1]' in text  # 4 images over 2 processes with batches of 2
    env['PORT'] = str(free_port())
    assert 'bbox_mAP' in call('dist_test.sh', config, 'run/epoch_1.pth', 2)


@pytest.mark.parametrize('averaged', [False, True])
def test_weights_alone_are_no_training_to_resume(
    call, write_config, checkpoint, tmp_path, averaged
):
    torch.save(torch.load(checkpoint, weights_only=False)['state_dict'], tmp_path / 'bare.pth')
    hooks = [dict(type='centernet_plugin.SanityCheckHook')]
    hooks += [dict(type='EMAHook')] if averaged else []
    config = write_config('a', f'custom_hooks = {hooks}\n')
    code, errors = call('train.py', config, '--work-dir', 'run', '--resume', 'bare.pth')
    assert code == 2 and 'it lacks: epoch, iter, state_dict' in errors, errors
    option = ('--cfg-options', 'load_from=bare.pth')
    code, errors = call('train.py', config, '--work-dir', 'run', *option)
    assert code == 0, errors


def test_scaled_learning_rate(run, config):
    result = run(
        *(sys.executable, TRAIN, config, '--auto-scale-lr', '--cfg-options'),
        *('train_dataloader.batch_size=4', 'train_cfg.val_interval=2'),
    )
    assert re.search(r'lr: 2\.0000e-03', output(result))


def test_scaled_largest_rate_of_a_schedule(call, write_config, tmp_path):
    schedule = 'param_scheduler = dict(type="OneCycleLR", eta_max=1e-3, total_steps=4)\n'
    options = ('--cfg-options', 'train_dataloader.batch_size=4', 'train_cfg.val_interval=9')
    options += ('visualizer.name=cycle',)  # one of the same name is used again
    code, errors = call(
        *('train.py', write_config('cycle', schedule), '--auto-scale-lr', '--work-dir', 'run'),
        *options,
    )
    assert code == 0, errors
    (scalars,) = tmp_path.glob('run/*/vis_data/scalars.json')
    first = json.loads(scalars.read_text().splitlines()[0])
    assert first['lr'] == pytest.approx(2e-3 / 25)  # where OneCycleLR begins


@pytest.mark.parametrize('script', [TRAIN, TEST])
def test_help_says_nothing_that_mim_would_misread(run, script):
    result = run(sys.executable, script, '-h')
    assert '--cfg-options' in result.stdout
    assert '--gpus' not in result.stdout


def test_checkout_that_is_not_installed(config, tmp_path):
    # Only what the environment has besides this project; -S would hide all of site-packages.
    blocker = tmp_path / 'sitecustomize.py'
    blocker.write_text(
        'import sys\n'
        'sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in repr(f).lower()]\n'
        f'sys.path[:] = [p for p in sys.path if p != {str(ROOT)!r}]\n'
    )
    env = {**environment(), 'PYTHONPATH': str(tmp_path)}
    command = [sys.executable, str(TRAIN), '-h']
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    probe = 'from importlib.util import find_spec; print(find_spec("centernet_plugin"))'
    command = [sys.executable, '-c', probe]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stdout.strip() == 'None', 'the package was hidden'


def sentence(result) -> str:
    """The one line that the user is meant to read."""
    assert 'Traceback' not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith('error: ')]
    assert len(lines) == 1, result.stderr
    return lines[0]


def test_missing_config(run):
    result = run(sys.executable, TRAIN, 'nowhere.py', code=2)
    assert sentence(result) == "error: config 'nowhere.py' does not exist"


def test_missing_checkpoint(run, config):
    result = run(sys.executable, TEST, config, 'nowhere.pth', code=2)
    assert sentence(result) == "error: checkpoint 'nowhere.pth' does not exist"


def test_missing_data(run, config):
    option = 'train_dataloader.dataset.data_root=nowhere/'
    result = run(sys.executable, TRAIN, config, '--cfg-options', option, code=2)
    assert 'nowhere/annotations.json' in sentence(result)


def test_unreadable_checkpoint(run, config, tmp_path):
    (tmp_path / 'broken.pth').write_bytes(b'not a checkpoint')
    result = run(sys.executable, TEST, config, 'broken.pth', code=2)
    assert 'checkpoint' in sentence(result)


def test_checkpoint_of_another_architecture(run, config, tmp_path):
    torch.save(dict(state_dict={'layer.weight': torch.zeros(2)}), tmp_path / 'other.pth')
    result = run(sys.executable, TEST, config, 'other.pth', code=2)
    assert 'architecture' in sentence(result)


def test_unreadable_image_in_a_data_loading_process(run, write_config, data_root, tmp_path):
    os.mkdir(tmp_path / 'images')
    for name in range(4):
        (tmp_path / 'images' / f'{name}.png').write_bytes(b'not an image')
    changes = 'train_dataloader.update(num_workers=1)\n'
    config = write_config('unreadable', changes)
    option = f'train_dataloader.dataset.data_prefix.img={tmp_path}/images/'
    result = run(sys.executable, TRAIN, config, '--cfg-options', option, code=2)
    assert '.png' in sentence(result)
