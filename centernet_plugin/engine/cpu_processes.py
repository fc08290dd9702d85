"""Several processes without a GPU, for which mmengine on its own asks."""

import os
import subprocess

import torch
from mmengine.config import Config

from ..errors import UserInputError

# What launchers other than torch's call what torch calls so.
VARIABLES = dict(
    slurm=dict(RANK='SLURM_PROCID', WORLD_SIZE='SLURM_NTASKS', LOCAL_RANK='SLURM_LOCALID'),
    mpi=dict(
        RANK='OMPI_COMM_WORLD_RANK',
        WORLD_SIZE='OMPI_COMM_WORLD_SIZE',
        LOCAL_RANK='OMPI_COMM_WORLD_LOCAL_RANK',
    ),
)
STARTED_BY = dict(
    slurm='srun, as tools/slurm_train.sh does',
    mpi='mpirun of Open MPI, with -x MASTER_ADDR=HOST, where the first process runs',
)


def use_cpu_processes(cfg: Config) -> None:
    """Joins the processes by gloo, and changes ``cfg`` so that its model is one of theirs.

    Raises:
        UserInputError: its launcher has not started this process.
    """
    if not torch.distributed.is_initialized():
        if cfg.launcher in VARIABLES:
            name_processes(cfg)
        torch.distributed.init_process_group('gloo')
    wrapper = dict(
        type='MMDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )
    wrapper.update(cfg.get('model_wrapper_cfg') or {})
    cfg.model_wrapper_cfg = dict(wrapper, device_ids=None)


def name_processes(cfg: Config) -> None:
    """Sets the variables that torch joins processes by, from those of slurm or Open MPI.

    Raises:
        UserInputError: the launcher has not started this process.
    """
    try:
        names = VARIABLES[cfg.launcher]
        os.environ.update({ours: os.environ[theirs] for ours, theirs in names.items()})
        if cfg.launcher == 'slurm':
            os.environ.setdefault('MASTER_ADDR', _first_node(os.environ['SLURM_NODELIST']))
        os.environ['MASTER_ADDR']  # nothing of Open MPI says it
    except KeyError as error:
        raise UserInputError(
            f'--launcher {cfg.launcher}, but {error} is not set: start it by '
            f'{STARTED_BY[cfg.launcher]}'
        ) from error
    port = (cfg.get('env_cfg') or {}).get('dist_cfg', {}).get('port', 29500)
    os.environ.setdefault('MASTER_PORT', str(port))


def _first_node(nodes: str) -> str:
    """The first of the names that slurm writes as ``node[7-8]``."""
    command = ['scontrol', 'show', 'hostname', nodes]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]
