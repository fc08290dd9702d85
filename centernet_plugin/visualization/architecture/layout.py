"""Where the units of a network stand in its picture: columns of computation, rows of stride.

The picture is a grid of cells. Every stride is a band of one or more lanes; lane 0 is its main
one. Side branches that climb to a merge at a finer stride (projection, then up-sampling) stand in
the lanes between the two bands, so that the merged units stay in a line.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from .graph import JOINTS, OPERATIONS, Graph, Node

CLIMBING = ('up', 'resize')


@dataclass
class Box:
    """What stands in one cell.

    Attributes:
        nodes: the node; of several outputs that read the same map, all of them.
        merge: kind of the merge in front of it; a merge that feeds more than one unit is a box of
            its own.
        stride: its band.
        sources: what feeds it, by the names of boxes.
        skips: those of them that are on a branch around something longer, see :func:`_mark_skips`.
        column, lane: its cell; lanes count downwards in the band.
    """

    nodes: list[Node]
    merge: str | None
    stride: float
    sources: list[str] = field(default_factory=list)
    skips: set[str] = field(default_factory=set)
    column: int = -1
    lane: int = 0

    @property
    def name(self) -> str:
        return self.nodes[0].name

    @property
    def is_joint(self) -> bool:
        """Whether it is nothing but a merge."""
        return self.nodes[0].kind in JOINTS


def arrange(graph: Graph, fold: int = 0) -> dict[str, Box]:
    """Boxes of a graph with their cells, by name, in order of computation.

    Args:
        graph: what to arrange.
        fold: how to save columns; 0: every unit stands to the right of its inputs, but for
            up-sampling ones, which stand above; 1: a unit that shrinks a map which nothing else
            uses stands below; 2: any unit that changes the stride stands above or below.
    """
    boxes = _boxes(graph)
    users = {name: [b.name for b in boxes.values() if name in b.sources] for name in boxes}
    _mark_skips(boxes, users)
    climbs = _climbs(boxes, users)
    climbing = {name for chains in climbs.values() for chain in chains for name in chain}
    rise = 0 if fold > 1 else 1  # columns from the start of a climb to its merge
    cells = _Cells()
    for name, box in boxes.items():
        if name in climbing:
            continue  # has its place once its merge has one
        chains = [[boxes[part] for part in chain] for chain in climbs.get(name, [])]
        starts = [boxes[chain[0].sources[0]] for chain in chains]
        before = [boxes[s] for s in box.sources if s not in climbing]
        least = [b.column + 1 for b in before] + [b.column + rise for b in starts]
        column = max(least, default=0)
        if len(box.sources) == 1 and cells.is_free(box, column - 1, 0):
            folds = fold > 1 or fold == 1 and len(users[box.sources[0]]) == 1
            if box.nodes[0].kind in CLIMBING or folds and box.nodes[0].scale < 1:
                column -= 1  # above or below its input
        cells.put(box, column, next(n for n in _around() if cells.is_free(box, column, n)))
        for chain, start in zip(chains, starts, strict=True):
            _place_climb(cells, chain, box.stride, range(column - rise, start.column - 1, -1))
    return boxes


class _Cells:
    def __init__(self) -> None:
        self.taken = set()

    def is_free(self, box: Box, column: int, lane: int) -> bool:
        return (box.stride, lane, column) not in self.taken

    def put(self, box: Box, column: int, lane: int) -> None:
        box.column, box.lane = column, lane
        self.taken.add((box.stride, lane, column))


def _place_climb(cells: _Cells, chain: list[Box], stride: float, columns: range) -> None:
    """Puts a side branch into one column, as near to the two main lanes as there is room."""
    sides = [1 if box.stride == stride else -1 for box in chain]  # below the upper, above the lower
    for distance in itertools.count(1):
        lanes = [(box, side * distance) for box, side in zip(chain, sides, strict=True)]
        for column in columns:
            if all(cells.is_free(box, column, lane) for box, lane in lanes):
                for box, lane in lanes:
                    cells.put(box, column, lane)
                return


def _around() -> Iterator[int]:
    """0, -1, 1, -2, 2..."""
    yield 0
    for distance in itertools.count(1):
        yield from (-distance, distance)


def split(boxes: dict[str, Box], most: int) -> list[dict[str, Box]]:
    """Panels of at most about ``most`` columns, cut where the fewest wires are.

    Wires that are cut end in a box of kind ``'link'`` and go on from one in the next panel. The
    columns of every panel begin at 0.
    """
    columns = max(box.column for box in boxes.values()) + 1
    if columns <= most:
        return [boxes]
    middle = columns / math.ceil(columns / most)

    def crossing(cut):
        left = {name for name, box in boxes.items() if box.column < cut}
        return sorted({s for n, b in boxes.items() if n not in left for s in b.sources} & left)

    near = range(max(2, math.ceil(0.75 * middle)), min(columns - 1, int(1.25 * middle)) + 1)
    cut = min(near, key=lambda cut: (len(crossing(cut)), abs(cut - middle)))
    left = {name: box for name, box in boxes.items() if box.column < cut}
    right = {name: box for name, box in boxes.items() if name not in left}
    links = {}
    for name in crossing(cut):
        source = left[name]
        users = [box for box in right.values() if name in box.sources]
        skips = {name} if all(name in box.skips for box in users) else set()
        node = replace(source.nodes[-1], name=f'link from {name}', kind='link')
        cell = dict(stride=node.stride, lane=source.lane)
        left[node.name] = Box([node], None, sources=[name], skips=skips, column=cut, **cell)
        links[name] = Box([node], None, column=cut - 1, **cell)
    for box in right.values():
        box.sources = [links[s].name if s in links else s for s in box.sources]
        box.skips = {links[s].name if s in links else s for s in box.skips}
    right = {link.name: link for link in links.values()} | right
    for box in right.values():
        box.column -= cut - 1
    return [left, *split(right, most)]


def _boxes(graph: Graph) -> dict[str, Box]:
    """Units with the merges in front of them, and outputs that read the same map as one."""
    users = {name: graph.outputs(name) for name in graph.nodes}
    sources = {name: graph.inputs(name) for name in graph.nodes}
    boxes, owner, ends = {}, {}, {}
    for name, node in graph.nodes.items():
        if node.kind in JOINTS and len(users[name]) == 1 and not node.is_output:
            user = graph.nodes[users[name][0]]
            if user.kind not in OPERATIONS and len(sources[user.name]) == 1:
                if user.stride == node.stride:
                    continue  # stands in front of its user
        before, merge = sources[name], None
        if len(before) == 1 and before[0] not in owner:
            merge, before = graph.nodes[before[0]].kind, sources[before[0]]
        before = [owner[source] for source in before]
        is_end = node.kind == 'head' and node.is_output and not users[name]
        if is_end and (tuple(before), node.stride) in ends:
            first = ends[tuple(before), node.stride]
            first.nodes.append(node)
            owner[name] = first.name
            continue
        owner[name] = name
        boxes[name] = Box([node], merge, node.stride, before)
        if is_end:
            ends[tuple(before), node.stride] = boxes[name]
    return boxes


def _mark_skips(boxes: dict[str, Box], users: dict[str, list[str]]) -> None:
    """Marks skip connections: branches that end in a merge to which a longer way leads as well."""
    longest = {}  # from a box to all that come before it
    for name, box in boxes.items():
        longest[name] = {name: 0}
        for source in box.sources:
            for other, length in longest[source].items():
                longest[name][other] = max(longest[name].get(other, 0), length + 1)
    for name, box in boxes.items():
        for source in box.sources if len(box.sources) > 1 else []:
            branch, start = [(source, name)], source
            while len(users[start]) == 1 and len(boxes[start].sources) == 1:
                branch.append((boxes[start].sources[0], start))
                start = boxes[start].sources[0]
            ways = [longest[s].get(start, -1) + 1 for s in box.sources if s != source]
            if max(ways) > len(branch):
                for before, after in branch:
                    boxes[after].skips.add(before)


def _climbs(boxes, users) -> dict[str, list[list[str]]]:
    """Side branches by the merge that they end in: an up-sampling unit, or one more before it."""
    climbs = {}
    for box in boxes.values():
        for end in box.sources if box.merge or box.is_joint else []:
            last = boxes[end]
            if last.nodes[0].kind not in CLIMBING or len(users[end]) > 1 or len(last.sources) > 1:
                continue
            if last.merge:
                continue
            chain = [end]
            first = boxes[last.sources[0]]
            if len(first.sources) == 1 and not first.merge and users[first.name] == [end]:
                start = boxes[first.sources[0]]
                leaves = len(users[start.name]) > 1 or _part(start) != _part(first)
                if first.nodes[0].scale == 1 and (leaves or start.merge):
                    chain.insert(0, first.name)
            climbs.setdefault(box.name, []).append(chain)
    return climbs


def _part(box):
    """Backbone, neck or head."""
    return box.name.split('.')[0]
