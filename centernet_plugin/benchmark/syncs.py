"""How often a call makes the processor wait for the device."""

import warnings

import torch

from .case import Call


def count_syncs(call: Call) -> int:
    """Waits of one call for the CUDA device, as torch's own debug mode reports them."""
    torch.cuda.synchronize()
    mode = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode('warn')
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            result = call()
    finally:
        torch.cuda.set_sync_debug_mode(mode)
    del result
    return sum('synchronizing' in str(warning.message) for warning in caught)
