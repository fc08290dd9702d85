from . import hooks  # noqa: F401
from .hooks import SanityCheckHook

__all__ = ['SanityCheckHook']
