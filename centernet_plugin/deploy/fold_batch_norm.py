"""Batch norms of a network that is only going to be run, folded into the convolutions before them.

mmcv's ``fuse_conv_bn`` goes by the order in which modules were defined and knows ``Conv2d`` alone.
In DLA's trees, hourglasses and ``ConvModule`` order is not data flow, and half of the norms of our
necks follow transposed or deformable convolutions.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import mmcv.cnn
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.utils._python_dispatch import TorchDispatchMode

from ..models.layers.deform_conv import ModulatedDeformConv2d

# Exactly these: a subclass may do something else with its weight, or after the convolution.
TRANSPOSED = (nn.ConvTranspose2d, mmcv.cnn.ConvTranspose2d)
CONVOLUTIONS = (nn.Conv2d, mmcv.cnn.Conv2d, *TRANSPOSED, ModulatedDeformConv2d)
NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)
TOLERANCE = 1e-6  # of the largest output


@torch.no_grad()
def fold_batch_norm(model: nn.Module, example: Tensor) -> int:
    """Folds every batch norm that directly follows a convolution into it, in place.

    What follows what is observed while the model runs on an example: a norm is folded if its input
    is the tensor that the convolution returned, nothing else reads that tensor, and both ran
    once. The norm must be in evaluation mode, the convolution is a plain, grouped, transposed or
    modulated deformable one. In the norm's place is an ``nn.Identity`` then, so the state dict has
    other keys and the model can no longer be trained as it was.

    Args:
        model: called as ``model(example)``; a backbone as well as mmdet's detectors.
        example: an input of any size that the model takes, on its device. What it holds should be
            noise, so that no map is constant. (N, C, H, W)

    Returns:
        How many were folded.

    Raises:
        RuntimeError: the outputs for the example are no longer the same; the model is then as it
            was before. Compared in float64, where what deep and deformable networks make of
            rounding stays below any mistake.
    """
    with _in_double(model):
        return _fold(model, example.double())


def _fold(model, example):
    before, pairs = _observe(model, example)
    undo = [(conv, conv.weight, conv.bias) for conv, _ in pairs]
    for conv, norm in pairs:
        conv.weight, conv.bias = _folded(conv, norm)
    identities = {norm: nn.Identity().eval() for _, norm in pairs}
    _replace(model, identities)
    try:
        _check_equal(before, list(_tensors(model(example))))
    except BaseException:
        for conv, weight, bias in undo:
            conv.weight, conv.bias = weight, bias
        _replace(model, {identity: norm for norm, identity in identities.items()})
        raise
    return len(pairs)


@contextmanager
def _in_double(model: nn.Module) -> Iterator[None]:
    """Holds all floating-point weights and buffers in float64 for a while."""
    dtypes = {}
    for name, tensor in _state(model):
        dtypes[name] = tensor.dtype
        tensor.data = tensor.data.double()
    try:
        yield
    finally:
        for name, tensor in _state(model):  # a bias that is new goes with its weight
            dtype = dtypes.get(name) or dtypes[name.removesuffix('bias') + 'weight']
            tensor.data = tensor.data.to(dtype)


def _state(model):
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_floating_point():
            yield name, tensor


@dataclass
class _Log(TorchDispatchMode):
    """Which convolution's output each norm read, and who else read it."""

    made: dict[int, nn.Module] = field(default_factory=dict)  # by id of the output
    read: dict[nn.Module, int] = field(default_factory=dict)  # norm -> id of its input
    shared: set[int] = field(default_factory=set)  # outputs that others read as well
    calls: dict[nn.Module, int] = field(default_factory=dict)
    alive: list[Tensor] = field(default_factory=list)  # or else an id may come again
    inside: int | None = None  # the input of the norm that is running

    def __post_init__(self):
        super().__init__()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        for tensor in _tensors((args, kwargs)):
            if id(tensor) in self.made and id(tensor) != self.inside:
                self.shared.add(id(tensor))
        return func(*args, **kwargs)

    def count(self, module, args):
        self.calls[module] = self.calls.get(module, 0) + 1

    def note_output(self, module, args, output):
        if isinstance(output, Tensor):
            self.made[id(output)] = module
            self.alive.append(output)

    def enter(self, module, args):
        self.count(module, args)
        source = id(args[0])
        if source in self.read.values():  # of another norm
            self.shared.add(source)
        self.inside = self.read[module] = source

    def leave(self, module, args, output):
        self.inside = None


def _observe(model, example):
    """The outputs, and the pairs (convolution, norm) that can be folded."""
    log = _Log()
    with _hooked(model, log), log:
        output = list(_tensors(model(example)))
    log.shared.update(map(id, output))
    pairs = []
    for norm, source in log.read.items():
        conv = log.made.get(source)
        if (
            conv is not None
            and source not in log.shared
            and log.calls[conv] == log.calls[norm] == 1
            and not norm.training
            and norm.running_mean is not None
        ):
            pairs.append((conv, norm))
    return output, pairs


@contextmanager
def _hooked(model: nn.Module, log: _Log) -> Iterator[None]:
    handles = []
    for module in model.modules():
        if type(module) in CONVOLUTIONS:
            handles.append(module.register_forward_pre_hook(log.count))
            handles.append(module.register_forward_hook(log.note_output))
        elif type(module) in NORMS:
            handles.append(module.register_forward_pre_hook(log.enter))
            handles.append(module.register_forward_hook(log.leave))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _folded(conv, norm):
    """Weight and bias of the convolution with the norm in it."""
    statistics = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    # The channels of a transposed convolution's output are those of its groups, one after another.
    groups = conv.groups if type(conv) in TRANSPOSED else 1
    parts = []
    for i, weight in enumerate(conv.weight.chunk(groups)):
        bias, mean, var, scale, shift = (
            None if values is None else values.chunk(groups)[i]
            for values in (conv.bias, *statistics)
        )
        parts.append(
            fuse_conv_bn_weights(
                weight, bias, mean, var, norm.eps, scale, shift, type(conv) in TRANSPOSED
            )
        )
    weights, biases = zip(*parts, strict=True)
    weight = torch.cat(weights).contiguous(memory_format=_memory_format(conv.weight))
    return tuple(
        nn.Parameter(value, requires_grad=conv.weight.requires_grad)
        for value in (weight, torch.cat(biases))
    )


def _memory_format(weight):
    is_last = weight.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if is_last else torch.contiguous_format


def _replace(model: nn.Module, others: dict[nn.Module, nn.Module]) -> None:
    """Puts other modules in the places of some, wherever in the model they stand."""
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if child in others:
                setattr(parent, name, others[child])


def _check_equal(before: list[Tensor], after: list[Tensor]) -> None:
    for old, new in zip(before, after, strict=True):
        limit = TOLERANCE * old.abs().max().item()
        error = (new - old).abs().max().item()
        if not error <= limit:  # also where it is not a number
            raise RuntimeError(
                f'folding batch norms changed an output by {error:.3g}, more than the {limit:.3g} '
                'that is allowed; some layer of the model is not what it looks like'
            )


def _tensors(value: object) -> Iterator[Tensor]:
    """All tensors in nested dicts, lists and tuples."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)
