"""How much memory a call needs at its peak."""

import ctypes
import gc
import re
from pathlib import Path

import torch

from .case import Call

PROCESS = Path('/proc/self')


def peak_growth(call: Call, device: torch.device) -> int | None:
    """Bytes by which a call raises what is in use, at its peak; its result counts, its input not.

    On CUDA these are bytes of tensors. On the CPU they are resident pages of this process: Linux
    lets a process reset its own high-water mark. Free memory of the C library is given back first,
    or what the call takes from there would not show. A child process would start clean without
    that, but OpenMP's threads do not survive a fork, and a fresh interpreter would have to build
    everything again. What a call frees and the C library keeps still counts: blocks below 32 MB,
    and larger ones where they fitted into a free block.

    Args:
        call: already warm, so that what it keeps for the next time does not count.
        device: where it works.

    Returns:
        None where the system does not say.
    """
    gc.collect(1)  # all generations would take longer than most calls
    if device.type == 'cuda':
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        result = call()
        torch.cuda.synchronize()
        peak = torch.cuda.max_memory_allocated()
    else:
        if not _reset_mark():
            return None
        before = _mark()
        result = call()
        peak = _mark()
    del result
    return max(0, peak - before)


def _reset_mark() -> bool:
    try:
        ctypes.CDLL(None).malloc_trim(0)
        (PROCESS / 'clear_refs').write_text('5')
    except (OSError, AttributeError):  # not Linux, not glibc, or not allowed
        return False
    return True


def _mark() -> int:
    """The largest resident size since the reset, in bytes."""
    status = (PROCESS / 'status').read_text()
    return 1024 * int(re.search(r'VmHWM:\s+(\d+) kB', status).group(1))
