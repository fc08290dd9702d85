"""Loading mmengine's checkpoints where ``torch.load`` refuses unknown globals (torch >= 2.6)."""

import pickle

import numpy as np
import torch


def allow_mmengine_checkpoints() -> None:
    """Tell torch which globals a checkpoint of mmengine's Runner holds.

    mmengine 0.10.7 calls plain ``torch.load``, which since torch 2.6 refuses what its own Runner
    has saved. Maintained versions bring a remedy of their own, and then nothing is done here.
    """
    from mmengine.runner import checkpoint

    if before_weights_only() or hasattr(checkpoint, 'get_torch_safe_globals'):
        return
    torch.serialization.add_safe_globals(safe_globals())


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
