from . import hooks  # noqa: F401
from .autocast_optim_wrapper import AutocastOptimWrapper
from .hooks import AccelerateHook, CheckInvalidLossHook, CheckpointHook, SanityCheckHook, SeedHook

__all__ = [
    'AccelerateHook',
    'AutocastOptimWrapper',
    'CheckInvalidLossHook',
    'CheckpointHook',
    'SanityCheckHook',
    'SeedHook',
]
