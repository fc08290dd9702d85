"""Networks that are only going to be run."""

from .accelerate import accelerate, compile_parts, use_channels_last
from .fold_batch_norm import fold_batch_norm

__all__ = ['accelerate', 'compile_parts', 'fold_batch_norm', 'use_channels_last']
