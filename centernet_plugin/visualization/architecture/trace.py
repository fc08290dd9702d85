"""Runs a network once and records every operation on its tensors, and in which module it was."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ...models.layers import deform_conv_cpu


@dataclass(frozen=True)
class Op:
    """One call of a torch function. Tensors are numbers of values, see :class:`Trace`."""

    name: str
    inputs: tuple[int, ...]


@dataclass
class Call:
    """One call of a module: its operations are ``start`` to ``stop`` - 1 of the trace."""

    path: str
    module: nn.Module
    start: int = 0
    stop: int = 0
    outputs: tuple[int, ...] = ()
    children: list['Call'] = field(default_factory=list)

    def inner(self) -> Iterator['Call']:
        """All calls inside this one."""
        for child in self.children:
            yield child
            yield from child.inner()


@dataclass
class Trace:
    """What a network did with one input.

    A value is a tensor at one point of time: an in-place operation makes a new value of the same
    tensor. Value 0 is the input.

    Attributes:
        root: the call of the network itself.
        ops: all operations that depend on the input, in order.
        shapes: of every value.
        makers: the operation that made each value; -1 for the input.
        outputs: values that the network returns.
    """

    root: Call
    ops: list[Op]
    shapes: list[tuple[int, ...]]
    makers: list[int]
    outputs: tuple[int, ...]


def trace(model: nn.Module, inputs: Tensor, **kwargs) -> Trace:
    """Calls ``model(inputs, **kwargs)`` without gradients and records it.

    Only what goes through torch functions is seen; parameters and constants are not values.
    """
    recorder = _Recorder(inputs)
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        stack.enter_context(deform_conv_cpu.not_used())
        for path, module in model.named_modules():
            before = module.register_forward_pre_hook(recorder.enter(path), prepend=True)
            after = module.register_forward_hook(recorder.leave)
            stack.callback(before.remove)
            stack.callback(after.remove)
        stack.enter_context(recorder)
        model(inputs, **kwargs)
    root = recorder.stack[0].children[0]
    return Trace(root, recorder.ops, recorder.shapes, recorder.makers, root.outputs)


class _Recorder(TorchFunctionMode):
    def __init__(self, inputs: Tensor) -> None:
        super().__init__()
        self.ops, self.shapes, self.makers = [], [], []
        self.stack = [Call('', nn.Identity())]
        self._values: dict[int, int] = {}  # of the tensor with this id
        # By value. A tensor's id is its own only as long as it lives; in-place operations count
        # its version up.
        self._alive: list[tuple[Tensor, int]] = []
        self._add(inputs, -1)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        inputs = self._known((args, kwargs))
        out = func(*args, **kwargs)
        made = [tensor for tensor in _tensors(out) if self._is_new(tensor)] if inputs else []
        if made:
            self.ops.append(Op(getattr(func, '__name__', str(func)), inputs))
            for tensor in made:
                self._add(tensor, len(self.ops) - 1)
        return out

    def enter(self, path):
        def hook(module, args):
            call = Call(path, module, start=len(self.ops))
            self.stack[-1].children.append(call)
            self.stack.append(call)

        return hook

    def leave(self, module, args, output):
        call = self.stack.pop()
        call.stop, call.outputs = len(self.ops), self._known(output)

    def _is_new(self, tensor):
        """False for what a function hands through, such as ``to`` with nothing to do."""
        value = self._values.get(id(tensor))
        return value is None or self._alive[value][1] != tensor._version

    def _add(self, tensor, maker):
        self._values[id(tensor)] = len(self.shapes)
        self._alive.append((tensor, tensor._version))
        self.shapes.append(tuple(tensor.shape))
        self.makers.append(maker)

    def _known(self, nested):
        ids = (id(tensor) for tensor in _tensors(nested))
        return tuple(dict.fromkeys(self._values[i] for i in ids if i in self._values))


def _tensors(nested) -> Iterator[Tensor]:
    if isinstance(nested, Tensor):
        yield nested
    elif isinstance(nested, dict):
        for value in nested.values():
            yield from _tensors(value)
    elif isinstance(nested, list | tuple):
        for value in nested:
            yield from _tensors(value)
