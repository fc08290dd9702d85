"""Coordinates of a picture: how large its boxes are, and where everything lies."""

import re
from collections import defaultdict
from dataclasses import dataclass

from matplotlib.textpath import TextPath

from .graph import JOINTS, Node
from .layout import Box
from .route import TRACKS, Point, Wires, cell_point, route

SIZE, SMALL = 10.0, 9.0  # of text, points
RADIUS = 6.0  # of a merge
PITCH = 5.5  # between wires side by side
ARROW = 9.0  # room before a box


@dataclass
class Panel:
    """One strip of the picture. Coordinates are points from its upper left corner, y downwards.

    Attributes:
        boxes: what stands in it, by name.
        wires: by the name of the box where they start, on the router's grid.
        xs, ys: coordinates of the grid's lines.
        centres, extents: of boxes, (x, y) and (width, height).
        joints: centres of the merges in front of boxes.
        bands: top and bottom of every stride.
        width, height: of the panel.
    """

    boxes: dict[str, Box]
    wires: dict[str, Wires]
    xs: list[float]
    ys: list[float]
    centres: dict[str, tuple[float, float]]
    extents: dict[str, tuple[float, float]]
    joints: dict[str, tuple[float, float]]
    bands: dict[float, tuple[float, float]]
    width: float
    height: float

    def line(self, path: list[Point]) -> list[tuple[float, float]]:
        """Coordinates of a way on the grid."""
        return [(self.xs[x], self.ys[y]) for x, y in path]


def lay_out(boxes: dict[str, Box]) -> Panel:
    """Lays the wires between the boxes of a panel and gives everything its coordinates."""
    lanes = sorted({(box.stride, box.lane) for box in boxes.values()})
    rows = {name: lanes.index((box.stride, box.lane)) for name, box in boxes.items()}
    columns = max(box.column for box in boxes.values()) + 1
    nets = {name: [b.name for b in boxes.values() if name in b.sources] for name in boxes}
    wires = route(
        {name: targets for name, targets in nets.items() if targets},
        {name: (box.column, rows[name]) for name, box in boxes.items()},
        {name for name, box in boxes.items() if box.merge},
        (columns, len(lanes)),
    )
    points = [item for net in wires.values() for item in net.steps.items()]
    busy_x = {x for (x, _), steps in points if steps & {'up', 'down'}}
    busy_y = {y for (_, y), steps in points if steps & {'left', 'right'}}

    sizes = {name: text_size(box) for name, box in boxes.items()}
    widths, heights = defaultdict(float), defaultdict(float)
    for name, box in boxes.items():
        widths[box.column] = max(widths[box.column], sizes[name][0])
        heights[rows[name]] = max(heights[rows[name]], sizes[name][1])
    xs, here = [], 0.0
    for column in range(columns + 1):
        here += 3
        for track in range(TRACKS):
            here += PITCH * (column * (TRACKS + 2) + track in busy_x)
            xs.append(here)
        merges = any(box.merge and box.column == column for box in boxes.values())
        here += ARROW + 2 * RADIUS * merges
        xs += [here - RADIUS, here + widths[column] / 2]
        here += widths[column]
    ys, here, edges = [], 3.0, []
    for row in range(len(lanes) + 1):
        here += 3
        edges.append(here)
        for track in range(TRACKS):
            here += PITCH * (row * (TRACKS + 1) + track in busy_y)
            ys.append(here)
        here += ARROW
        ys.append(here + heights[row] / 2)
        here += heights[row]

    edges = [0.0, *edges[1:-1], edges[-1] + 5]
    bands = {}
    for name, box in boxes.items():
        top, bottom = bands.get(box.stride, (1e9, 0.0))
        bands[box.stride] = (min(top, edges[rows[name]]), max(bottom, edges[rows[name] + 1]))
    centres, joints = {}, {}
    for name, box in boxes.items():
        x, y = cell_point(box.column, rows[name])
        centres[name] = (xs[x], ys[y])
        if box.merge:
            joints[name] = (xs[x - 1], ys[y])
        if not is_round(box):
            sizes[name] = (widths[box.column], sizes[name][1])
    width = xs[columns * (TRACKS + 2) + TRACKS - 1]
    return Panel(
        boxes, wires, xs, ys, centres, sizes, joints, dict(sorted(bands.items())), width, edges[-1]
    )


def is_round(box: Box) -> bool:
    """Whether a box is drawn as a circle."""
    return box.nodes[0].kind in (*JOINTS, 'link')


def text_size(box: Box) -> tuple[float, float]:
    """Width and height that the text of a box needs."""
    if is_round(box):
        return 2 * RADIUS, 2 * RADIUS
    lines = label(box.nodes[0])
    if len(box.nodes) > 1:
        lines = [' '.join(entry(node)) for node in box.nodes]
    width = max(text_width(line, bold=True) for line in lines)
    return width + 8, 1.25 * SIZE * len(lines) + (5 if len(box.nodes) == 1 else 2 * len(lines))


def entry(node: Node) -> tuple[str, str]:
    """Text of one of several outputs in a box: name, channels and stride."""
    return re.sub(r':\d+$', '', node.name).rpartition('.')[2], label(node)[-1]


def label(node: Node) -> list[str]:
    """Text of a box: where the module is, its name, channels and stride."""
    size = f'{node.channels} /{node.stride:g}'
    if node.kind == 'resize':
        return [f'×{node.scale:g}  {size}']
    path = re.sub(r':\d+$', '', node.name)  # the number of a further call
    _, *places, name = ['', *re.findall(r'[^.]+(?:\.\d+)*', path)]
    if node.count > 1:
        name = f'{node.count} · {re.sub("[.][0-9]+$", "", name)}'
    if node.kind == 'up':
        name += f' ×{node.scale:g}'
    inside = places[1:]  # of backbone, neck or head
    fitting = [place for place in ('.'.join(inside), *inside[:1]) if len(place) <= 12]
    return [*filter(None, fitting[:1]), *_in_lines(name), size]


def _in_lines(name: str, most: int = 13) -> list[str]:
    """A name as it is, or, where it is long, in two lines."""
    breaks = [match.end() for match in re.finditer('_', name)]
    if len(name) <= most or not breaks:
        return [name]
    middle = min(breaks, key=lambda place: max(place, len(name) - place))
    return [name[:middle], name[middle:]]


def text_width(text: str, size: float = SIZE, bold: bool = False) -> float:
    """Points."""
    if not text:
        return 0.0
    style = dict(family='DejaVu Sans', weight='bold' if bold else 'normal')
    path = TextPath((0, 0), text, size=size, prop=style)
    return float(path.get_extents().width)
