"""The same detections sooner: a detector's network arranged for the machine that runs it.

Each switch acts on the parts of a detector in place (``backbone``, ``neck``, ``bbox_head``), so
that whatever calls them (``predict``, test-time augmentation, mmdet's inferencer) is faster, and
names of weights stay, but for those of folded batch norms.
"""

import os
import shutil
import sys
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..errors import UserInputError
from ..models.dense_heads import CenterNetHead
from ..models.detectors.unwrap import unwrap
from .fold_batch_norm import fold_batch_norm as fold

PARTS = ('backbone', 'neck', 'bbox_head')


def accelerate(
    model: nn.Module,
    *,
    fold_batch_norm: bool = True,
    channels_last: bool = True,
    compile: bool | dict = False,
    dtype: torch.dtype | None = None,
    example: Tensor | None = None,
) -> nn.Module:
    """Makes a detector's inference faster, in place. It cannot be trained afterwards.

    Args:
        model: what ``init_detector`` returns, ``DetInferencer(...).model``, or either within
            ``CenterNetTTA``. Its weights must be loaded already.
        fold_batch_norm: whether batch norms become part of the convolutions before them, see
            :func:`~centernet_plugin.deploy.fold_batch_norm.fold_batch_norm`. Equal up to rounding.
        channels_last: whether channels lie innermost in memory. Equal up to rounding.
        compile: whether the parts are compiled by ``torch.compile``, when they run first and then
            for every new kind of input size; a dict has its options. Equal up to rounding.
        dtype: precision of the convolutions (``torch.bfloat16`` or ``torch.float16``) under
            autocast; default: that of the weights. Maps leave the head as float32, but have been
            rounded on the way: detections are close, not equal.
        example: an input to fold with; default: noise, (1, 3, 128, 128).

    Returns:
        ``model``.

    Raises:
        UserInputError: ``compile`` where there is no compiler.
        RuntimeError: batch norms cannot be folded without changing the output.
    """
    model.eval()
    detector = unwrap(model)
    weight = next(detector.parameters())
    if fold_batch_norm:
        if example is None:
            noise = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
            example = noise.to(weight)
        fold(nn.Sequential(*parts(detector).values()), example)
    if channels_last:
        use_channels_last(detector)
    if dtype is not None:
        for name, part in parts(detector).items():
            part.forward = _Autocast(part.forward, weight.device.type, dtype)
            if name == 'bbox_head':
                part.forward = _Then(part.forward, Tensor.float)
    if compile:
        compile_parts(detector, compile)
    return model


def parts(detector: nn.Module) -> dict[str, nn.Module]:
    """The parts of a detector that it has, by name, in the order in which they run."""
    found = {name: getattr(detector, name, None) for name in PARTS}
    return {name: part for name, part in found.items() if isinstance(part, nn.Module)}


def use_channels_last(detector: nn.Module) -> None:
    """Stores weights, and lets the inputs arrive, with channels innermost in memory.

    For training as well: weights keep their values, names and shapes, as parameters of the
    optimiser too. Does nothing the second time.
    """
    detector.to(memory_format=torch.channels_last)
    if _to_channels_last in detector.backbone._forward_pre_hooks.values():
        return
    detector.backbone.register_forward_pre_hook(_to_channels_last)
    head = parts(detector).get('bbox_head')
    if not isinstance(head, CenterNetHead | None):
        # mmdet's heads take views of their maps that need the usual order.
        head.forward = _Then(head.forward, Tensor.contiguous)


def compile_parts(detector: nn.Module, options: bool | dict = True) -> None:
    """Lets ``torch.compile`` compile each part when it is called; names of weights stay.

    Args:
        detector: the parts of which are compiled in place.
        options: of ``torch.compile``.

    Raises:
        UserInputError: inductor, the default backend, has no C++ compiler here.
    """
    options = dict(options) if isinstance(options, dict) else {}
    if options.get('backend', 'inductor') == 'inductor':
        _require_compiler()
    for part in parts(detector).values():
        part.compile(**options)


class _Autocast:
    """A module's ``forward`` under autocast. A copy of the module has a copy, bound to it."""

    def __init__(self, forward: Callable, device: str, dtype: torch.dtype) -> None:
        self.forward, self.device, self.dtype = forward, device, dtype

    def __call__(self, *args, **kwargs):
        with torch.autocast(self.device, self.dtype):
            return self.forward(*args, **kwargs)


class _Then:
    """A module's ``forward``, and a function of every tensor that it returns."""

    def __init__(self, forward: Callable, function: Callable[[Tensor], Tensor]) -> None:
        self.forward, self.function = forward, function

    def __call__(self, *args, **kwargs):
        return _each(self.function, self.forward(*args, **kwargs))


def _to_channels_last(module: nn.Module, args: tuple) -> tuple:
    return _each(lambda x: x.contiguous(memory_format=torch.channels_last), args)


def _each(function: Callable[[Tensor], Tensor], value):
    """``value`` with ``function`` of the tensors in nested dicts, lists and tuples."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, dict):
        return {name: _each(function, item) for name, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_each(function, item) for item in value)
    return value


def _require_compiler() -> None:
    """Fails where inductor would, hours of loading later and in many words."""
    compiler = os.environ.get('CXX') or ('clang++' if sys.platform == 'darwin' else 'g++')
    if shutil.which(compiler) is None:
        raise UserInputError(
            f"compile=True needs a C++ compiler, and there is no '{compiler}' here; install one, "
            'name yours in the environment variable CXX, or leave compile out'
        )
