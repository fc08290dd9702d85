"""Training in bfloat16, on any device."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from torch import nn

from ..errors import UserInputError
from ..registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """mmengine's OptimWrapper whose forward passes run under autocast in bfloat16.

    ``AmpOptimWrapper`` refuses to work without a GPU, and scales losses, which bfloat16 with its
    range of float32 does not need. Weights, gradients and the optimiser stay in float32.

    Args:
        dtype: ``'bfloat16'``; float16 needs scaled losses and a GPU: ``AmpOptimWrapper``.
        **kwargs: of ``OptimWrapper``.

    Raises:
        UserInputError: another dtype.
    """

    def __init__(self, *, dtype: str = 'bfloat16', **kwargs) -> None:
        super().__init__(**kwargs)
        if dtype != 'bfloat16':
            raise UserInputError(
                f"AutocastOptimWrapper trains in 'bfloat16', not {dtype!r}; for float16 on a GPU "
                "take type='AmpOptimWrapper'"
            )

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Context of a forward pass; backward passes follow in each operator's precision."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, torch.bfloat16):
            yield


def use_mixed_precision(cfg: Config) -> None:
    """Changes a config so that it trains in mixed precision, in the way that the device has.

    On a CPU bfloat16 by :class:`AutocastOptimWrapper`; elsewhere float16 by mmengine's
    ``AmpOptimWrapper``. An ``optim_wrapper`` that is either already stays.
    """
    wrapper = cfg.optim_wrapper
    name = str(wrapper.get('type')).split('.')[-1]
    if name == AutocastOptimWrapper.__name__:
        return
    if get_device() == 'cpu':
        wrapper.type = f'centernet_plugin.{AutocastOptimWrapper.__name__}'
        for key in ('loss_scale', 'dtype', 'use_fsdp'):
            wrapper.pop(key, None)
    else:
        wrapper.type = 'AmpOptimWrapper'
        wrapper.setdefault('loss_scale', 'dynamic')
