from . import hooks  # noqa: F401
from .autocast_optim_wrapper import AutocastOptimWrapper
from .hooks import AccelerateHook, SanityCheckHook

__all__ = ['AccelerateHook', 'AutocastOptimWrapper', 'SanityCheckHook']
