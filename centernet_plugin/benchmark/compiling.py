"""``torch.compile``, where there is something to compile with."""

from functools import cache

import torch


@cache
def can_compile(kind: str) -> bool:
    """Whether ``torch.compile`` works for devices of this kind.

    It needs a C++ compiler or triton, and says so only when the compiled function is called.
    """
    try:
        torch.compile(torch.square)(torch.ones(1, device=kind))
    except Exception:  # whatever the missing tool ends in
        return False
    return True
