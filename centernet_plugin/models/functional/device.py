"""Where a value may be looked at while a batch passes through."""

import torch
from torch import Tensor


def immediate(x: Tensor) -> bool:
    """Whether the values of ``x`` are there at once.

    On CPU they are, and work can be left out that they make needless. On other devices to look
    means to wait for all that is queued, and while a graph is recorded there are no values.
    """
    recording = torch.compiler.is_compiling() or torch.jit.is_tracing()
    return x.device.type == 'cpu' and not recording
