"""The machine in general words: what a reader needs, and nothing that names it."""

import os
import platform
from importlib import import_module
from typing import Any

import torch

MODULES = {'mmdet': 'mmdet', 'mmcv': 'mmcv', 'mmengine': 'mmengine', 'numpy': 'numpy'}
OPENCV = 'cv2'


def describe(device: torch.device) -> dict[str, Any]:
    """Cores, threads, GPU model and versions."""
    versions = dict(python=platform.python_version(), torch=torch.__version__)
    versions |= {name: import_module(module).__version__ for name, module in MODULES.items()}
    versions['opencv'] = import_module(OPENCV).__version__
    cuda = device.type == 'cuda'
    return dict(
        cores=os.cpu_count(),
        threads=torch.get_num_threads(),
        instructions=f'{platform.machine()} {torch.backends.cpu.get_cpu_capability()}',
        gpu=torch.cuda.get_device_name(device) if cuda else None,
        versions=versions,
    )


def in_words(machine: dict[str, Any]) -> str:
    """One line."""
    versions = ', '.join(f'{name} {version}' for name, version in machine['versions'].items())
    where = f'{machine["cores"]} CPU cores ({machine["instructions"]})'
    threads = f'{machine["threads"]} threads' if machine['threads'] > 1 else '1 thread'
    gpu = f'{machine["gpu"]}, ' if machine['gpu'] else ''
    return f'{gpu}{where}, {threads}; {versions}'
