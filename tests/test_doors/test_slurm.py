"""Launchers without their programs: stand-ins of srun and scontrol that do what the manual says."""

import os
import re
import stat
import subprocess
import sys

import pytest

from .conftest import ROOT, environment, free_port, output

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


def test_test_by_slurm(run, config, checkpoint, path, tmp_path):
    result = run(
        'bash', ROOT / 'tools/slurm_test.sh', 'gpu', 'cats', config, checkpoint,
        '--work-dir', 'run',
        PATH=path, PYTHON=sys.executable, GPUS='2', GPUS_PER_NODE='0',
        MASTER_PORT=str(free_port()), PYTHONPATH=str(ROOT),
    )  # fmt: skip
    text = output(result)
    assert '--partition=gpu --job-name=cats --ntasks=2 --cpus-per-task=5' in text
    assert 'Epoch(test) [2/2]' in text and 'bbox_mAP' in text  # 4 images over 2 processes


@pytest.mark.slow
def test_training_by_open_mpi(config, tmp_path):
    """Two processes with the variables that mpirun sets."""
    command = [sys.executable, ROOT / 'tools/train.py', config, '--work-dir', 'run']
    names = dict(OMPI_COMM_WORLD_SIZE='2', MASTER_ADDR='127.0.0.1', MASTER_PORT=str(free_port()))
    processes = [
        subprocess.Popen(
            [str(part) for part in (*command, '--launcher', 'mpi')],
            cwd=tmp_path,
            env=environment()
            | names
            | dict(
                OMPI_COMM_WORLD_RANK=rank, OMPI_COMM_WORLD_LOCAL_RANK=rank, PYTHONPATH=str(ROOT)
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in '01'
    ]
    texts = [process.communicate(timeout=240)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], texts
    assert 'Epoch(train) [1][1/1]' in re.sub(' +', ' ', texts[0])
    assert (tmp_path / 'run/epoch_1.pth').is_file()


def test_slurm_without_srun_is_named(run, config):
    result = run(
        sys.executable, ROOT / 'tools/train.py', config, '--launcher', 'slurm',
        code=2, PYTHONPATH=str(ROOT),
    )  # fmt: skip
    assert "'SLURM_PROCID' is not set: start it by srun" in output(result)


@pytest.mark.parametrize(('script', 'last'), [('train', 'WORK_DIR'), ('test', 'CHECKPOINT')])
def test_how_to_call_it(run, script, last):
    result = run('bash', ROOT / f'tools/slurm_{script}.sh', 'gpu', code=2)
    assert f'PARTITION JOB_NAME CONFIG {last}' in output(result)
