from .accelerate_hook import AccelerateHook
from .check_invalid_loss_hook import CheckInvalidLossHook
from .checkpoint_hook import CheckpointHook
from .sanity_check_hook import SanityCheckHook
from .seed_hook import SeedHook

__all__ = [
    'AccelerateHook',
    'CheckInvalidLossHook',
    'CheckpointHook',
    'SanityCheckHook',
    'SeedHook',
]
