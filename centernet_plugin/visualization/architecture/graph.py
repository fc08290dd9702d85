"""The units of a network and what feeds what, read off a trace.

A unit is a call of a module that takes one map and gives one, all of it at the stride of that map
(a stage that shrinks may begin at the stride of its input). Calls are opened from the outside
until they are units. What lies between them, sums, concatenations and changes of size, becomes a
node of its own; anything that changes neither channels nor stride (norms, activations, crops) is
looked through.
"""

import math
import re
from collections import Counter
from dataclasses import dataclass, replace

from torch import nn

from .trace import Call, Trace

MERGES = {'add': 'sum', 'cat': 'concat', 'concat': 'concat', 'mul': 'product'}
JOINTS = ('sum', 'concat', 'product')
OPERATIONS = (*JOINTS, 'op')


@dataclass(frozen=True)
class Node:
    """A unit, or an operation between units.

    Attributes:
        name: path of the module, or of the module around an operation and the operation's name.
        kind: ``'input'``; with weights ``'conv'``, ``'deform'``, ``'dense'`` (no convolution in
            it), ``'up'`` (to a finer stride), ``'head'``; without, ``'resize'`` (to a finer
            stride), ``'pool'`` (to a coarser one), ``'sum'``, ``'concat'``, ``'product'``, ``'op'``
        channels: of its output.
        stride: input pixels per cell of its output.
        scale: stride of its input divided by that of its output.
        count: how many units in a row it stands for.
        is_output: whether the network returns it.
    """

    name: str
    kind: str
    channels: int
    stride: float
    scale: float = 1
    count: int = 1
    is_output: bool = False


@dataclass(frozen=True)
class Edge:
    """A map that goes from one node to another, with its own channels and stride."""

    source: str
    target: str
    channels: int
    stride: float


@dataclass
class Graph:
    """Nodes in order of computation, by name, and the edges between them."""

    nodes: dict[str, Node]
    edges: list[Edge]

    def inputs(self, name: str) -> list[str]:
        """Names of what feeds a node."""
        return [edge.source for edge in self.edges if edge.target == name]

    def outputs(self, name: str) -> list[str]:
        """Names of what a node feeds."""
        return [edge.target for edge in self.edges if edge.source == name]


def build_graph(trace: Trace, detail: int = 0) -> Graph:
    """Units and edges of a traced network.

    Args:
        trace: of a network whose input is one batch of images. (N, C, H, W)
        detail: how many levels of modules to open inside every unit.
    """
    return _Builder(trace, detail).graph


class _Builder:
    def __init__(self, trace: Trace, detail: int) -> None:
        self.trace = trace
        self.graph = Graph({'image': Node('image', 'input', trace.shapes[0][1], 1)}, [])
        self.used_by = [[] for _ in trace.shapes]
        for i, op in enumerate(trace.ops):
            for value in op.inputs:
                self.used_by[value].append(i)
        self.made = [[] for _ in trace.ops]
        for value, maker in enumerate(trace.makers[1:], start=1):
            self.made[maker].append(value)

        self.names = Counter()
        self.at = {0: 'image'}  # node that a value comes from
        self._walk(trace.root, detail)
        for value in trace.outputs:
            name = self.at[value]
            self.graph.nodes[name] = replace(self.graph.nodes[name], is_output=True)
        _flatten(self.graph)
        if detail == 0:
            _join_rows(self.graph)

    def _walk(self, call: Call, detail: int) -> None:
        """Adds the nodes of one call."""
        if call.start == call.stop:
            return
        if self._is_unit(call):
            parts = [child for child in call.children if _has_weights(child.module)]
            if detail == 0 or not _is_composed(call):
                self._add_unit(call)
                return
            detail -= len(parts) > 1  # a wrapper opens with what it wraps
        here = call.start
        for child in call.children:
            self._add_ops(call, here, child.start)
            self._walk(child, detail)
            here = child.stop
        self._add_ops(call, here, call.stop)

    def _is_unit(self, call: Call) -> bool:
        takes, gives = self._takes(call), self._gives(call)
        if not call.children and _has_weights(call.module):
            return True
        if len(takes) != 1 or len(gives) != 1:
            return False
        before, after = (stride_of(self.trace, value) for value in (takes[0], gives[0]))
        inside = {stride_of(self.trace, v) for inner in call.inner() for v in inner.outputs}
        if None not in (before, after) and before <= after:
            inside.discard(before)
        return inside <= {after, None}

    def _add_unit(self, call: Call) -> None:
        takes, gives = self._takes(call), self._gives(call)
        if not gives:  # computed, but nobody uses it
            gives = self.made[call.stop - 1]
        types = [type(module).__name__.lower() for module in call.module.modules()]
        kind = 'conv'
        if not _has_weights(call.module):
            kind = 'op'
        elif any(part.endswith('head') for part in call.path.split('.')):
            kind = 'head'
        elif any('deform' in name or 'dcn' in name for name in types):
            kind = 'deform'
        elif not any('conv' in name for name in types):
            kind = 'dense'
        self._add(call.path, kind, takes, gives)

    def _add_ops(self, call: Call, start: int, stop: int) -> None:
        """Adds the operations of a call that are in none of its units."""
        for i in range(start, stop):
            op = self.trace.ops[i]
            name = op.name.strip('_')
            kind = MERGES.get(name) or MERGES.get(name[1:]) or 'op'  # iadd, radd
            self._add(f'{call.path}.{name}'.strip('.'), kind, op.inputs, self.made[i])

    def _add(self, name: str, kind: str, takes: tuple[int, ...], gives: list[int]) -> None:
        """Adds a node, or looks through what changes nothing that a picture shows."""
        sources = list(dict.fromkeys(self.at[value] for value in takes))
        _, before = self._size(takes[0])
        for value in gives:
            self.at[value] = sources[0]
        channels, stride = self._size(gives[0])
        scale = before / stride
        if len(sources) == 1 and kind in OPERATIONS:
            if scale == 1:
                return
            kind = 'op'
        if scale > 1 and kind in ('conv', 'dense', 'op'):
            kind = 'resize' if kind == 'op' else 'up'
        elif scale < 1 and kind == 'op':
            kind = 'pool'

        self.names[name] += 1
        if self.names[name] > 1:
            name = f'{name}:{self.names[name]}'
        self.graph.nodes[name] = Node(name, kind, channels, stride, scale)
        for source in sources:
            value = next(v for v in takes if self.at[v] == source)
            self.graph.edges.append(Edge(source, name, *self._size(value)))
        for value in gives:
            self.at[value] = name

    def _size(self, value: int) -> tuple[int, float]:
        """Channels and stride; those of the node it comes from where its shape does not say."""
        stride = stride_of(self.trace, value)
        if stride is None:
            node = self.graph.nodes[self.at[value]]
            return node.channels, node.stride
        shape = self.trace.shapes[value]
        return shape[1 if len(shape) == 4 else 2], stride

    def _takes(self, call: Call) -> tuple[int, ...]:
        """Values that a call uses and did not make."""
        used = (v for i in range(call.start, call.stop) for v in self.trace.ops[i].inputs)
        return tuple(dict.fromkeys(v for v in used if self.trace.makers[v] < call.start))

    def _gives(self, call: Call) -> list[int]:
        """Values that a call makes and others use, or the network returns."""
        inside = range(call.start, call.stop)
        return [
            value
            for i in inside
            for value in self.made[i]
            if value in self.trace.outputs or any(j not in inside for j in self.used_by[value])
        ]


def stride_of(trace: Trace, value: int) -> float | None:
    """Input pixels per cell of a map (N, C, H, W) or of tokens (N, H * W, C).

    None where the shape is that of neither, or of a single cell.
    """
    batch, _, *size = trace.shapes[0]
    shape = trace.shapes[value]
    if len(shape) == 4 and shape[0] == batch and shape[2] * shape[3] > 1:
        ratios = [full / cells for full, cells in zip(size, shape[2:], strict=True)]
    elif len(shape) == 3 and shape[0] == batch and shape[1] > 1:
        ratio = math.sqrt(math.prod(size) / shape[1])
        if math.log2(ratio) % 1:  # whatever else has three dimensions, it has not this length
            return None
        ratios = [ratio, ratio]
    else:
        return None
    ratio = math.sqrt(math.prod(ratios))
    power = 2 ** round(math.log2(ratio))  # of odd sizes, rounded up or down on the way
    stride = power if abs(ratio / power - 1) < 0.12 else round(ratio) or 1 / round(1 / ratio)
    return stride if all(abs(r / stride - 1) < 0.2 for r in ratios) else None


def _has_weights(module: nn.Module) -> bool:
    """Whether it convolves or multiplies: norms and scales have vectors only."""
    return any(parameter.dim() > 1 for parameter in module.parameters())


def _is_composed(call: Call) -> bool:
    """Whether there are parts to see inside a unit; a convolution with its norm is one part."""
    if any(parameter.dim() > 1 for parameter in call.module.parameters(recurse=False)):
        return False
    parts = [child for child in call.children if _has_weights(child.module)]
    return len(parts) > 1 or any(map(_is_composed, parts))


def _flatten(graph: Graph) -> None:
    """Makes one merge of merges that only feed another one of the same kind."""
    for name, node in list(graph.nodes.items()):
        users = [graph.nodes[user] for user in graph.outputs(name)]
        if node.kind not in JOINTS or node.is_output or len(users) != 1:
            continue
        if (users[0].kind, users[0].stride) == (node.kind, node.stride):
            del graph.nodes[name]
            edges = [
                replace(edge, target=users[0].name) if edge.target == name else edge
                for edge in graph.edges
                if edge.source != name
            ]
            graph.edges = list(dict.fromkeys(edges))


def _join_rows(graph: Graph) -> None:
    """Makes one node of entries of one list that follow each other and look the same."""
    for name in list(graph.nodes):
        node, sources = graph.nodes[name], graph.inputs(name)
        if node.kind in OPERATIONS or len(sources) != 1:
            continue
        first = graph.nodes[sources[0]]
        same = all(getattr(node, k) == getattr(first, k) for k in ('kind', 'channels', 'stride'))
        if not same or first.is_output or graph.outputs(first.name) != [name]:
            continue
        lists = {re.sub(r'\.\d+(:\d+)?$', r'.\1', n) for n in (name, first.name)}
        if len(lists) == 1 and name not in lists:
            graph.nodes[first.name] = replace(
                first, count=first.count + node.count, is_output=node.is_output
            )
            del graph.nodes[name]
            graph.edges = [
                replace(e, source=first.name) if e.source == name else e
                for e in graph.edges
                if e.target != name
            ]
