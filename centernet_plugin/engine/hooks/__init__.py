from .accelerate_hook import AccelerateHook
from .sanity_check_hook import SanityCheckHook

__all__ = ['AccelerateHook', 'SanityCheckHook']
