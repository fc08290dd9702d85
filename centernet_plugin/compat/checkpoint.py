"""Checkpoints are read as data: nothing that a file from a stranger holds can run.

This needs torch >= 2.6. Older ones cannot read a Runner's checkpoint as data only.
"""

import functools
import os.path as osp
import pickle

import numpy as np
import torch

from ..errors import UserInputError
from .unreadable import why_unreadable

REMEDY = 'only if you trust the file, set TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1'


def read_checkpoints_as_data() -> None:
    """Let mmengine's loaders build nothing but the data of a Runner's checkpoint.

    mmengine 0.10.7 calls plain ``torch.load``, which since torch 2.6 refuses unknown globals, also
    those that its own Runner has saved: these are allowed. The maintained forks allow them
    themselves, and run whatever else a file holds after a warning: their function is replaced. Both
    run what a downloaded file holds, and the text that an old checkpoint has under
    ``meta['config']``, when a training resumes.

    Whoever trusts a file that is refused sets ``TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1``. Damaged
    files, of which torch says this and that, are named, also where torch is older.
    """
    from mmengine.runner import checkpoint

    loader = checkpoint.CheckpointLoader
    if not hasattr(loader, 'load_with_config'):
        loader.load_with_config = loader.load_checkpoint
        loader.load_checkpoint = classmethod(_load_checked)
    if before_weights_only():
        return
    known = torch.serialization.get_safe_globals()
    torch.serialization.add_safe_globals([g for g in safe_globals() if g not in known])
    if hasattr(checkpoint, '_safe_torch_load'):
        checkpoint._safe_torch_load = load_data
    checkpoint.load_url = functools.partial(torch.hub.load_state_dict_from_url, weights_only=None)


def load_data(file, map_location=None, weights_only: bool | None = None):
    """``torch.load`` of data only, unless it is told or forced otherwise.

    Raises:
        pickle.UnpicklingError: there is more in the file than data.
    """
    return torch.load(file, map_location=map_location, weights_only=weights_only)


def _load_checked(loader: type, filename: str, *args, **kwargs) -> dict:
    """What mmengine's loader gives, without the text of a config; errors of reading as sentences.

    Raises:
        UserInputError: the file is damaged, or holds something else than named tensors or a
            container of them, or more than data.
    """
    try:
        content = loader.load_with_config(filename, *args, **kwargs)
    except (FileNotFoundError, ImportError, torch.cuda.OutOfMemoryError):
        raise
    except Exception as error:  # what a foreign or damaged file raises cannot be foreseen
        # Of an address, the network may have raised it.
        if not osp.isfile(filename) and not isinstance(error, pickle.UnpicklingError):
            raise
        raise UserInputError(why_unreadable(filename, error, REMEDY)) from error
    _require_container(filename, content)
    # Of mmcv 1; Runner.resume would run it to count its GPUs.
    content.get('meta', {}).pop('config', None)
    return content


def _require_container(filename: str, content) -> None:
    if not isinstance(content, dict):
        raise UserInputError(
            f"'{filename}' holds a {type(content).__name__} instead of named tensors"
        )
    for part in ('state_dict', 'meta'):
        if not isinstance(content.get(part, {}), dict):
            kind = type(content[part]).__name__
            raise UserInputError(f"'{part}' in '{filename}' is a {kind} instead of a dictionary")
    for key in content.get('state_dict', content):
        if not isinstance(key, str):
            raise UserInputError(f"'{filename}' names a weight by {key!r} instead of a string")


def safe_globals() -> list:
    """Globals of a Runner's checkpoint, in the form of ``torch.serialization.add_safe_globals``."""
    from mmengine.logging import HistoryBuffer
    from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

    core = np._core if hasattr(np, '_core') else np.core
    arrays = [
        (value, f'numpy.{module}.multiarray.{name}')  # numpy 1 and 2 save under different names
        for module in ('core', '_core')
        for name, value in (
            ('_reconstruct', core.multiarray._reconstruct),
            ('scalar', core.multiarray.scalar),
        )
    ]
    kinds = ('bool', 'int32', 'int64', 'uint8', 'uint32', 'float16', 'float32', 'float64')
    dtypes = list(dict.fromkeys(type(np.dtype(kind)) for kind in kinds))
    return [
        HistoryBuffer,
        OneCycleParamScheduler,
        (class_attribute, 'builtins.getattr'),
        slice,
        np.ndarray,
        np.dtype,
        *arrays,
        *dtypes,
    ]


def class_attribute(owner: type, name: str):
    """What ``getattr`` may do in a checkpoint.

    A HistoryBuffer saves its statistics as ``getattr(HistoryBuffer, 'mean')``, a one-cycle
    schedule its curve as ``getattr(OneCycleParamScheduler, '_annealing_cos')``. The general
    ``getattr`` would open a file from elsewhere every door, so only these uses are let through.

    Raises:
        pickle.UnpicklingError: any other use.
    """
    from mmengine.logging import HistoryBuffer
    from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

    statistic = owner is HistoryBuffer and not name.startswith('_')
    curve = owner is OneCycleParamScheduler and name in ('_annealing_cos', '_annealing_linear')
    if not (statistic or curve):
        raise pickle.UnpicklingError(
            f'the checkpoint asks for attribute {name!r} of {owner!r}, which no checkpoint of '
            'mmengine needs; load it with torch.load(..., weights_only=False) if you trust it'
        )
    return getattr(owner, name)


def before_weights_only() -> bool:
    """Whether ``torch.load`` still loads everything by default."""
    return tuple(int(n) for n in torch.__version__.split('.')[:2]) < (2, 6)
