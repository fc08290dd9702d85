"""Finds the way of every wire around the boxes of a picture.

Wires run on a grid: every column and every lane has a line through its cells and a number of
tracks before it. Wires that start at the same box share their way as long as they can; others may
cross, but not run on the same line or turn where another one passes.
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

TRACKS = 5
STEPS = {'right': (1, 0), 'left': (-1, 0), 'up': (0, -1), 'down': (0, 1)}
BACK = {'right': 'left', 'left': 'right', 'up': 'down', 'down': 'up'}
BEND, CROSSING, CONFLICT = 2.0, 4.0, 60.0

Point = tuple[int, int]
State = tuple[Point, str]  # a point, and the direction in which to go on


@dataclass
class Wires:
    """The wires of one source: steps between neighbouring points, and the way to every target."""

    steps: dict[Point, set[str]] = field(default_factory=lambda: defaultdict(set))
    paths: dict[str, list[Point]] = field(default_factory=dict)


def cell_point(column: int, lane: int) -> Point:
    """Where a box stands.

    Every column has its tracks, the place of merges and the centre; every lane tracks and centre.
    """
    return column * (TRACKS + 2) + TRACKS + 1, lane * (TRACKS + 1) + TRACKS


def route(
    nets: dict[str, list[str]],
    cells: dict[str, Point],
    merges: set[str],
    shape: tuple[int, int],
) -> dict[str, Wires]:
    """Ways of all wires.

    Args:
        nets: targets of every source.
        cells: (column, lane) of every box; lanes counted from the top of the picture.
        merges: boxes with a merge in front of them, where their wires end.
        shape: number of columns and lanes.
    """
    router = _Router(cells, merges, shape)
    for _ in range(2):  # the second time around knows all other wires
        for source, targets in nets.items():
            router.lay(source, targets)
    return router.nets


class _Router:
    def __init__(self, cells, merges, shape) -> None:
        self.size = cell_point(*shape)
        self.cells = {name: cell_point(*cell) for name, cell in cells.items()}
        self.ends = {n: (x - 1, y) if n in merges else (x, y) for n, (x, y) in self.cells.items()}
        self.blocked = {*self.cells.values(), *self.ends.values()}
        self.nets: dict[str, Wires] = {}
        self.used = defaultdict(dict)  # point -> net -> directions of its wires there

    def lay(self, source: str, targets: list[str]) -> None:
        """Lays, or lays anew, the wires of one source; near targets first."""
        old = self.nets.pop(source, None)
        for point in old.steps if old else ():
            self.used[point].pop(source, None)
        self.nets[source] = net = Wires()
        x, y = self.cells[source]
        near = sorted(targets, key=lambda t: abs(self.ends[t][0] - x) + abs(self.ends[t][1] - y))
        for target in near:
            path = self._search(source, target)
            for a, b in zip(path, path[1:], strict=False):
                step = next(n for n, d in STEPS.items() if d == (b[0] - a[0], b[1] - a[1]))
                net.steps[a].add(step)
                net.steps[b].add(BACK[step])
            for point in path:
                self.used[point][source] = net.steps[point]
            net.paths[target] = path

    def _search(self, source: str, target: str) -> list[Point]:
        """The cheapest way (A*) from any point of the net to the target."""
        end = self.ends[target]
        cost = self._beginnings(source)
        origin = dict.fromkeys(cost)
        queue = [(price + _distance(state[0], end), state) for state, price in cost.items()]
        heapq.heapify(queue)
        done = set()
        while queue:
            _, state = heapq.heappop(queue)
            if state[0] == end:
                way = []
                while state is not None:
                    way.append(state[0])
                    state = origin[state]
                return way[::-1]
            if state in done:
                continue
            done.add(state)
            for following, price in self._continuations(source, state, end):
                total = cost[state] + price
                if total < cost.get(following, math.inf):
                    cost[following], origin[following] = total, state
                    heapq.heappush(queue, (total + _distance(following[0], end), following))
        raise RuntimeError(f'no way from {source} to {target}')

    def _beginnings(self, source: str) -> dict[State, float]:
        """Where and in which direction a further wire of a net may leave, and what that costs."""
        start, steps = self.cells[source], self.nets[source].steps
        states = {(start, step): BEND for step in ('up', 'down')} | {(start, 'right'): 0.0}
        for point, busy in steps.items():
            if point not in self.blocked and len(self.used[point]) == 1:
                states |= {(point, step): 0.0 for step in STEPS if step not in busy}
        return states

    def _continuations(self, source: str, state: State, end: Point) -> Iterator:
        """One step on, and then any direction but back, with the price."""
        point, step = state
        dx, dy = STEPS[step]
        after = (point[0] + dx, point[1] + dy)
        if not (0 <= after[0] <= self.size[0] and 0 <= after[1] <= self.size[1]):
            return
        others = [steps for net, steps in self.used[after].items() if net != source]
        price = _length(point, after)
        if after == end:
            if step != 'left':  # arrows come from the left, or from above or below
                price += BEND * (step != 'right')
                price += CONFLICT * sum(BACK[step] in steps for steps in others)
                yield (after, step), price
            return
        if after in self.blocked:
            return
        across = {'up', 'down'} if dx else {'left', 'right'}
        price += sum(CROSSING if steps == across else CONFLICT for steps in others)
        price += CONFLICT * (source in self.used[after])
        for turn in STEPS:
            if turn == step:
                yield (after, turn), price
            elif turn != BACK[step]:
                yield (after, turn), price + BEND + CONFLICT * bool(others)


def _length(a: Point, b: Point) -> float:
    """Of a step: tracks are near each other, cells are large."""
    if a[1] == b[1]:
        return 4.0 if max(a[0], b[0]) % (TRACKS + 2) in (0, TRACKS + 1) else 1.0
    return 2.5 if max(a[1], b[1]) % (TRACKS + 1) in (0, TRACKS) else 1.0


def _distance(a: Point, b: Point) -> float:
    return float(abs(a[0] - b[0]) + abs(a[1] - b[1]))
