"""Values of whatever holds them as numpy's arrays."""

import numpy as np
import torch


def to_numpy(values) -> np.ndarray:
    """An array of a tensor, or of what ``np.asarray`` takes.

    The tensor may have a gradient and be on any device; numpy knows no bfloat16 and gets float32.
    """
    if not isinstance(values, torch.Tensor):
        return np.asarray(values)
    values = values.detach().cpu()
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()
