from .sanity_check_hook import SanityCheckHook

__all__ = ['SanityCheckHook']
