"""Slurm's launcher without slurm: stand-ins of srun and scontrol that do what the manual says."""

import os
import stat
import sys

import pytest

from .conftest import ROOT, free_port, output

pytestmark = pytest.mark.door
SRUN = """#!{python}
import os, subprocess, sys
options = [a for a in sys.argv[1:] if a.startswith('--')]
first = next(i for i, a in enumerate(sys.argv[1:], 1) if not a.startswith('--'))
tasks = next(int(a.split('=')[1]) for a in options if a.startswith('--ntasks='))
print('srun', *options, flush=True)
names = dict(SLURM_NTASKS=str(tasks), SLURM_NODELIST='node[7-8]')
children = [
    subprocess.Popen(
        sys.argv[first:],
        env=os.environ | names | dict(SLURM_PROCID=str(i), SLURM_LOCALID=str(i)),
    )
    for i in range(tasks)
]
sys.exit(max(child.wait() for child in children))
"""
SCONTROL = """#!/bin/sh
[ "$*" = 'show hostname node[7-8]' ] && printf 'localhost\\nnode8\\n'
"""


@pytest.fixture
def path(tmp_path):
    """PATH with the stand-ins before everything else."""
    folder = tmp_path / 'bin'
    folder.mkdir()
    for name, text in (('srun', SRUN.format(python=sys.executable)), ('scontrol', SCONTROL)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755 | stat.S_IXUSR)
    return f'{folder}{os.pathsep}{os.environ["PATH"]}'


def test_training_by_slurm(run, config, path, tmp_path):
    result = run(
        'bash', ROOT / 'tools/slurm_train.sh', 'gpu', 'cats', config, 'run',
        '--cfg-options', 'train_cfg.max_epochs=1',
        PATH=path, PYTHON=sys.executable, GPUS='2', GPUS_PER_NODE='0', SRUN_ARGS='--mem=1G --quiet',
        MASTER_PORT=str(free_port()), PYTHONPATH=str(ROOT),
    )  # fmt: skip
    text = output(result)
    assert '--partition=gpu --job-name=cats --ntasks=2 --cpus-per-task=5' in text
    assert '--mem=1G --quiet' in text and '--gres' not in text
    assert 'Epoch(train) [1][1/1]' in text  # 4 images over 2 processes with batches of 2
    assert 'bbox_mAP' in text and (tmp_path / 'run/epoch_1.pth').is_file()


def test_slurm_without_srun_is_named(run, config):
    result = run(
        sys.executable, ROOT / 'tools/train.py', config, '--launcher', 'slurm',
        code=2, PYTHONPATH=str(ROOT),
    )  # fmt: skip
    assert "'SLURM_PROCID' is not set: start it by srun" in output(result)


def test_how_to_call_it(run):
    result = run('bash', ROOT / 'tools/slurm_train.sh', 'gpu', code=2)
    assert 'PARTITION JOB_NAME CONFIG WORK_DIR' in output(result)
