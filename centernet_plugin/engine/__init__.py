from . import hooks  # noqa: F401
from .autocast_optim_wrapper import AutocastOptimWrapper
from .hooks import AccelerateHook, SanityCheckHook, SeedHook

__all__ = ['AccelerateHook', 'AutocastOptimWrapper', 'SanityCheckHook', 'SeedHook']
