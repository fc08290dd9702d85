from .accelerate_hook import AccelerateHook
from .sanity_check_hook import SanityCheckHook
from .seed_hook import SeedHook

__all__ = ['AccelerateHook', 'SanityCheckHook', 'SeedHook']
