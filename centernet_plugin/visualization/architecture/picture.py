"""Draws the units of a network as boxes, by stride and in order of computation."""

from collections.abc import Callable
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch, Polygon, Rectangle
from matplotlib.path import Path as Outline

from .geometry import RADIUS, SIZE, SMALL, Panel, entry, is_round, label, lay_out, text_width
from .graph import Graph
from .layout import Box, arrange, split

KINDS = {  # meaning, fill and border
    'input': ('', '#ffffff', '#555555'),
    'conv': ('convolutions', '#d3e5f5', '#3f74a6'),
    'deform': ('deformable convolution', '#fddfbd', '#c8761b'),
    'dense': ('layers without convolution', '#cfeeee', '#2b8585'),
    'up': ('up-sampling convolution', '#c6e6bf', '#3d8a3d'),
    'resize': ('interpolation', '#f1faef', '#3d8a3d'),
    'pool': ('pooling', '#e4e4e4', '#7a7a7a'),
    'op': ('other operation', '#f6efc2', '#9a8a2a'),
    'head': ('head', '#e6dbf2', '#7d57a8'),
    'link': ('', '#ffffff', '#555555'),
}
SIGNS = {'sum': ('sum', '+'), 'concat': ('concatenation', 'c'), 'product': ('product', '×')}
WIRE, SKIP, INK, GREY = '#4d4d4d', '#c2185b', '#222222', '#666666'
BANDS = ('#f7f8fa', '#eceff3')
TITLE = 13.0
MARGIN, LABELS = 8.0, 68.0
LINE = 17.0  # of the legend
COLUMNS, MOST_COLUMNS = 12, 15  # of a page to aim at, of a strip

Point = tuple[float, float]
Symbol = Callable[[Axes, float, float], None] | None


def draw_graph(
    graph: Graph,
    path: str | Path,
    *,
    size: tuple[int, int],
    title: str = '',
    note: str = '',
    fold: int | None = None,
) -> None:
    """Write a picture of a network; the same graph gives the same file.

    Args:
        graph: what to draw.
        path: file; its ending (.svg, .png, .pdf) says the format.
        size: height and width of the network's input.
        title, note: first and second line.
        fold: see :func:`~.layout.arrange`; default: as little as fits on a page.
    """
    for amount in (0, 1, 2) if fold is None else (fold,):
        boxes = arrange(graph, amount)
        if max(box.column for box in boxes.values()) < COLUMNS:
            break
    panels = [lay_out(part) for part in split(boxes, MOST_COLUMNS)]
    width = max(
        LABELS + max(panel.width for panel in panels),
        MARGIN + text_width(title, TITLE, bold=True),
        MARGIN + text_width(note),
    )
    legend = _wrap(_legend(panels), width - MARGIN)
    width, top = width + MARGIN, MARGIN + 3.9 * TITLE
    height = top + LINE * (len(legend) - 0.5) + sum(panel.height + MARGIN for panel in panels)
    style = {
        'svg.hashsalt': 'centernet',
        # Text as text, not as outlines: a search finds it. Boxes are measured by DejaVu Sans, which
        # is wider than what usually stands in for it.
        'svg.fonttype': 'none',
        'font.family': 'sans-serif',
        'font.sans-serif': ['DejaVu Sans'],
        'text.color': INK,
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(width / 72, height / 72), facecolor='white')
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
        axes.set_axis_off()
        axes.text(MARGIN, MARGIN, title, size=TITLE, weight='bold', va='top')
        axes.text(MARGIN, MARGIN + 1.6 * TITLE, note, size=SIZE, va='top')
        for row in legend:
            for x, symbol, text in row:
                if symbol:
                    symbol(axes, MARGIN + x, top)
                _write(axes, MARGIN + x + 19 * bool(symbol), top, text, size=SMALL, ha='left')
            top += LINE
        top -= LINE / 2
        for panel in panels:
            _draw_panel(axes, panel, top, width, size)
            top += panel.height + MARGIN
        date = {'metadata': {'Date': None}} if Path(path).suffix.lower() == '.svg' else {}
        figure.savefig(path, dpi=144, **date)


def _draw_panel(axes: Axes, panel: Panel, top: float, width: float, size: tuple[int, int]) -> None:
    for i, (stride, (upper, lower)) in enumerate(panel.bands.items()):
        corner, extent = (MARGIN / 2, top + upper), (width - MARGIN, lower - upper)
        axes.add_patch(Rectangle(corner, *extent, fc=BANDS[i % 2], ec='none', zorder=0))
        middle = top + (upper + lower) / 2
        cells = ' × '.join(f'{-(-side // stride):g}' for side in size)
        _write(axes, MARGIN, middle - 6, f'stride {stride:g}', weight='bold', ha='left')
        _write(axes, MARGIN, middle + 7, cells, size=SMALL, color=GREY, ha='left')
    shift = LABELS, top
    for name, net in panel.wires.items():
        for target, path in net.paths.items():
            is_skip = name in panel.boxes[target].skips
            points = [_sum(point, shift) for point in panel.line(path)]
            _draw_wire(axes, points, _reach(panel, target), is_skip)
        for point, steps in net.steps.items():
            if len(steps) > 2:
                (dot,) = panel.line([point])
                axes.add_patch(Circle(_sum(dot, shift), 2.1, fc=WIRE, ec='none', zorder=4))
    for name, box in panel.boxes.items():
        x, y = _sum(panel.centres[name], shift)
        if name in panel.joints:
            joint = _sum(panel.joints[name], shift)
            _draw_joint(axes, *joint, box.merge)
        if is_round(box):
            _draw_joint(axes, x, y, box.nodes[0].kind)
        else:
            _draw_box(axes, box, x, y, *panel.extents[name])


def _draw_box(axes: Axes, box: Box, x: float, y: float, width: float, height: float) -> None:
    """A unit with its text, or outputs on top of each other."""
    step = height / len(box.nodes)
    for i, node in enumerate(box.nodes):
        middle = y - height / 2 + (i + 0.5) * step
        _draw_plate(axes, x, middle, width, step, node.kind, node.name)
        lines = label(node)
        if len(box.nodes) > 1:
            name, extent = entry(node)
            _write(axes, x - width / 2 + 4, middle, name, size=SMALL, ha='left')
            _write(axes, x + width / 2 - 4, middle, extent, weight='bold', ha='right')
            continue
        line = 1.25 * SIZE
        first = middle - line * (len(lines) - 1) / 2
        for j, text in enumerate(lines[:-1]):
            _write(axes, x, first + j * line, text, size=SMALL)
        _write(axes, x, first + (len(lines) - 1) * line, lines[-1], weight='bold')


def _draw_wire(axes: Axes, points: list[Point], reach: Point, is_skip: bool) -> None:
    """A line with round corners, and an arrow-head at the border of what it leads to."""
    (x0, y0), (x1, y1) = points[-2:]
    dx, dy = (x1 > x0) - (x1 < x0), (y1 > y0) - (y1 < y0)
    tip = (x1 - dx * reach[0], y1 - dy * reach[1])
    points = [*points[:-1], (tip[0] - 4 * dx, tip[1] - 4 * dy)]
    vertices, codes = [points[0]], [Outline.MOVETO]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        if (before[0] == corner[0]) != (corner[0] == after[0]):
            vertices += [_towards(corner, before), corner, _towards(corner, after)]
            codes += [Outline.LINETO, Outline.CURVE3, Outline.CURVE3]
    vertices.append(points[-1])
    codes.append(Outline.LINETO)
    color, order = (SKIP, 2) if is_skip else (WIRE, 3)
    axes.add_patch(PathPatch(Outline(vertices, codes), fc='none', ec=color, lw=1.2, zorder=order))
    _draw_arrow_head(axes, tip, dx, dy, color, order)


def _draw_arrow_head(axes: Axes, tip: Point, dx: int, dy: int, color: str, order: int) -> None:
    base = (tip[0] - 6 * dx, tip[1] - 6 * dy)
    sides = [_sum(base, (s * dy, s * dx)) for s in (2.7, -2.7)]
    axes.add_patch(Polygon([tip, *sides], closed=True, fc=color, ec='none', zorder=order))


def _draw_plate(axes, x, y, width, height, kind, gid=None) -> None:
    _, fill, border = KINDS[kind]
    corner = (x - width / 2, y - height / 2)
    shape = 'round,pad=0,rounding_size=2.5'
    look = dict(fc=fill, ec=border, lw=1.1, zorder=5, gid=gid)
    axes.add_patch(FancyBboxPatch(corner, width, height, boxstyle=shape, **look))


def _draw_joint(axes: Axes, x: float, y: float, kind: str) -> None:
    """A merge, or the end of a wire that goes on in the next strip."""
    axes.add_patch(Circle((x, y), RADIUS, fc='white', ec=WIRE, lw=1.1, zorder=5))
    if kind in SIGNS:
        _write(axes, x, y, SIGNS[kind][1])
    else:
        _draw_arrow_head(axes, (x + 4, y), 1, 0, WIRE, 6)


def _legend(panels: list[Panel]) -> list[tuple[Symbol, str]]:
    """Symbols and their meaning, of what there is."""
    boxes = [box for panel in panels for box in panel.boxes.values()]
    kinds = {kind for box in boxes for kind in (box.nodes[0].kind, box.merge)}

    def plate(kind):
        return lambda axes, x, y: _draw_plate(axes, x + 7, y, 14, 10, kind)

    def joint(kind):
        return lambda axes, x, y: _draw_joint(axes, x + 8, y, kind)

    def skip(axes, x, y):
        _draw_wire(axes, [(x, y), (x + 15, y)], (0, 0), True)

    entries = [(plate(k), text) for k, (text, *_) in KINDS.items() if k in kinds and text]
    entries += [(joint(k), text) for k, (text, _) in SIGNS.items() if k in kinds]
    if any(box.skips for box in boxes):
        entries.append((skip, 'skip connection'))
    if 'link' in kinds:
        entries.append((joint('link'), 'goes on below'))
    return [*entries, (None, '64 /4: channels and stride')]


def _wrap(entries: list[tuple[Symbol, str]], width: float) -> list[list[tuple]]:
    """Rows of a legend, each entry with its place."""
    rows, here = [[]], 0.0
    for symbol, text in entries:
        need = 19 * bool(symbol) + text_width(text, SMALL) + 12
        if rows[-1] and here + need > width:
            rows.append([])
            here = 0.0
        rows[-1].append((here, symbol, text))
        here += need
    return rows


def _write(axes, x, y, text, size=SIZE, ha='center', **style) -> None:
    axes.text(x, y, text, size=size, ha=ha, va='center_baseline', zorder=7, **style)


def _reach(panel: Panel, name: str) -> Point:
    """From where a wire ends to the border of what it ends in."""
    if name in panel.joints or is_round(panel.boxes[name]):
        return RADIUS, RADIUS
    return panel.extents[name][0] / 2, panel.extents[name][1] / 2


def _towards(corner: Point, other: Point, radius: float = 3.5) -> Point:
    """The point at some distance from a corner towards another one, at most half way."""
    length = abs(other[0] - corner[0]) + abs(other[1] - corner[1])
    part = min(radius, length / 2) / length if length else 0.0
    return tuple(c + part * (o - c) for c, o in zip(corner, other, strict=True))


def _sum(a: Point, b: Point) -> Point:
    return a[0] + b[0], a[1] + b[1]
