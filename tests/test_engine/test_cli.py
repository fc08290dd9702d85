"""What the scripts share."""

import argparse
import os
import signal
import time

import pytest
from mmengine.config import Config

from centernet_plugin.engine import cli
from centernet_plugin.engine.whole_files import write_whole
from centernet_plugin.errors import UserInputError


def interrupt_and_wait(seconds=10.0):
    os.kill(os.getpid(), signal.SIGINT)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.fixture
def quick(monkeypatch):
    """Interrupts work as in a process of one's own, and are raised again after a moment."""
    monkeypatch.setattr(cli, 'INSIST', 0.1)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_ends_the_program(quick, capsys):
    assert cli.run(interrupt_and_wait, after_interrupt='Go on.') == cli.INTERRUPTED
    assert 'Go on.' in capsys.readouterr().err


def test_an_interrupt_that_was_swallowed_comes_again(quick):
    swallowed = []

    def main():
        try:
            interrupt_and_wait()
        except:  # noqa: E722  as mmengine's message hub does
            swallowed.append(True)
        interrupt_comes = time.monotonic() + 10
        while time.monotonic() < interrupt_comes:
            time.sleep(0.01)

    assert cli.run(main) == cli.INTERRUPTED
    assert swallowed


def test_signals_are_as_before_afterwards(quick):
    alarm = signal.getsignal(signal.SIGALRM)
    cli.run(interrupt_and_wait)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGALRM) is alarm
    time.sleep(0.3)  # no alarm is left


def test_ignored_interrupts_stay_ignored(quick):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert cli.run(lambda: interrupt_and_wait(0.3)) == 0


def test_a_checkpoint_is_checked_once_beside_the_config_s_own_hooks(tmp_path):
    path = tmp_path / 'weights.pth'
    path.touch()
    own = dict(type='EMAHook')
    cfg = Config(dict(custom_hooks=[own]))
    for _ in range(2):
        cli.use_checkpoint(cfg, str(path))
        assert cfg.custom_hooks == [own, dict(type=cli.CHECK)]
    assert cfg.load_from == str(path) and 'env_cfg' not in cfg
    cfg = Config(dict(custom_hooks=None))
    cli.use_checkpoint(cfg, str(path))
    assert cfg.custom_hooks == [dict(type=cli.CHECK)]
    with pytest.raises(UserInputError, match='does not exist'):
        cli.use_checkpoint(cfg, str(tmp_path / 'none.pth'))


def test_a_test_does_not_tune_for_every_size(tmp_path):
    (tmp_path / 'weights.pth').touch()
    env_cfg = dict(cudnn_benchmark=True, mp_cfg=dict(opencv_num_threads=0))
    cfg = Config(dict(env_cfg=env_cfg))
    cli.use_checkpoint(cfg, str(tmp_path / 'weights.pth'))
    assert cfg.env_cfg == dict(env_cfg, cudnn_benchmark=False)


def test_a_hook_of_the_config_keeps_its_settings():
    own = dict(type=cli.FAST, dtype='bfloat16')
    cfg = Config(dict(custom_hooks=[own]))
    cli.add_hook(cfg, cli.FAST)
    assert cfg.custom_hooks == [own]
    cfg = Config(dict())
    cli.add_hook(cfg, cli.FAST)
    assert cfg.custom_hooks == [dict(type='centernet_plugin.AccelerateHook')]


def test_devices_that_cannot_be_used_are_named(monkeypatch):
    cli.require_device(None)
    cli.require_device('cpu')
    with pytest.raises(UserInputError, match="device 'foo' cannot be used: .*foo"):
        cli.require_device('foo')

    def without_cuda(*args, **kwargs):
        raise AssertionError('Torch not compiled with CUDA enabled')

    monkeypatch.setattr(cli.torch, 'empty', without_cuda)
    with pytest.raises(UserInputError, match="'cuda:0' cannot be used: Torch not compiled"):
        cli.require_device('cuda:0')


def test_files_that_cannot_be_used_are_named(tmp_path, capsys):
    (tmp_path / 'a.json').mkdir()
    sentences = {
        tmp_path / 'a.json': 'Is a directory',
        tmp_path / f'{"a" * 252}.json': 'File name too long',
    }
    for path, reason in sentences.items():
        assert cli.run(lambda path=path: write_whole(path, b'')) == cli.USER_ERROR
        printed = capsys.readouterr().err
        assert printed.startswith(f"error: '{path}") and printed.endswith(f': {reason}\n')
    assert cli.explain(OSError('some words')) is None


def test_whole_numbers_from_one_on(capsys):
    parser = argparse.ArgumentParser()
    parser.add_argument('--n', type=cli.positive)
    assert parser.parse_args(['--n', '3']).n == 3
    for text, reason in (('0', 'must be at least 1, got 0'), ('x', "invalid positive value: 'x'")):
        with pytest.raises(SystemExit):
            parser.parse_args(['--n', text])
        assert reason in capsys.readouterr().err
