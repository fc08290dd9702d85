"""Histograms of a detection set on one picture. Needs no display."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .draw import PALETTE
from .panel import CARD, FAINT_INK, INK

MOST_CLASSES = 40  # bars that can be read
SMALLEST = 1 / 8  # cells; what is smaller is as hopeless and counts here


def _rgb(color: tuple[int, int, int]) -> str:
    """Of BGR."""
    return '#{:02x}{:02x}{:02x}'.format(*reversed(color))


FIRST, SECOND, ALARM = _rgb(PALETTE[1]), _rgb(PALETTE[0]), _rgb(PALETTE[5])
STYLE = {
    'font.family': 'sans-serif',
    'font.size': 9,
    'figure.facecolor': _rgb(CARD),
    'axes.facecolor': _rgb(CARD),
    'axes.edgecolor': _rgb(FAINT_INK),
    'axes.titlesize': 11,
    'axes.titlelocation': 'left',
    'axes.titlecolor': _rgb(INK),
    'axes.labelcolor': _rgb(FAINT_INK),
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.axisbelow': True,
    'grid.color': _rgb(FAINT_INK),
    'grid.alpha': 0.2,
    'text.color': _rgb(INK),
    'xtick.color': _rgb(FAINT_INK),
    'ytick.color': _rgb(FAINT_INK),
    'legend.frameon': False,
}


def draw_histograms(
    path: str | Path,
    *,
    class_counts: Mapping[str, int],
    objects_per_image: np.ndarray,
    image_sizes: np.ndarray,
    sides: Mapping[str, np.ndarray],
    max_per_img: int | None = None,
    title: str = '',
) -> None:
    """Write class counts, sizes in cells, objects per image and image sizes as one picture.

    Args:
        path: file; its ending says the format.
        class_counts: objects by class name.
        objects_per_image: (I,).
        image_sizes: (width, height). (I, 2)
        sides: root of the object areas in cells, by what they were measured on; at most two.
        max_per_img: detections per image, drawn as a line where it is near.
        title: at the top.
    """
    bars = min(len(class_counts), MOST_CLASSES)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(12, max(6.6, 1.6 + 0.2 * bars)), layout='constrained')
        figure.suptitle(title, x=0.01, ha='left')
        axes = figure.subplot_mosaic([['classes', 'sides', 'sides'], ['classes', 'per', 'size']])
        _classes(axes['classes'], class_counts)
        _sides(axes['sides'], sides)
        _per_image(axes['per'], objects_per_image, max_per_img)
        _image_sizes(axes['size'], image_sizes)
        figure.savefig(path, dpi=110)


def _classes(axes: Axes, counts: Mapping[str, int]) -> None:
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    shown = ranked
    if len(ranked) > MOST_CLASSES:  # the most and the least frequent ones say most
        half = MOST_CLASSES // 2
        shown = [*ranked[:half], *ranked[-half:]]
    names, values = [_short(name) for name, _ in shown], [count for _, count in shown]
    where, highest = np.arange(len(shown)), max([1, *values])
    axes.barh(where, values, color=FIRST, height=0.72)
    axes.set_yticks(where, names)
    axes.tick_params(axis='y', length=0)
    axes.set_ylim(max(len(shown), 5) - 0.4, -0.6)
    axes.set_xlim(0, highest * 1.2)
    if highest > 100 * max(min([highest, *values]), 1):
        axes.set_xscale('symlog', linthresh=1)
        axes.set_xlim(0, highest * 6)
        axes.xaxis.set_major_formatter(lambda value, _: f'{value:,.0f}')
    for y, value in enumerate(values):
        axes.annotate(f'{value:,}', (value, y), (4, 0), textcoords='offset points', va='center')
        axes.get_yticklabels()[y].set_color(_rgb(INK) if value else ALARM)
    left_out = len(ranked) - len(shown)
    more = f', {left_out} in the middle left out' if left_out else ''
    _label(axes, f'objects by class{more}', 'objects', grid='x')


def _sides(axes: Axes, sides: Mapping[str, np.ndarray]) -> None:
    sides = {name: np.maximum(part, SMALLEST) for name, part in sides.items()}
    values = np.concatenate([np.zeros(0), *sides.values()])
    if len(values):
        low, high = np.floor(np.log2(values.min())), np.ceil(np.log2(values.max()) + 0.01)
        edges = 2.0 ** np.linspace(low, high, round(8 * (high - low)) + 1)
        for (name, part), color in zip(sides.items(), (FIRST, SECOND), strict=False):
            weights = np.full(len(part), 100 / max(len(part), 1))
            label = f'{name}, median {np.median(part):.1f}' if len(part) else name
            axes.hist(part, edges, weights=weights, color=color, alpha=0.3)
            style = dict(histtype='step', lw=1.6, color=color, label=label)
            axes.hist(part, edges, weights=weights, **style)
        axes.set_xscale('log', base=2)
        axes.xaxis.set_major_formatter(lambda value, _: f'{value:g}')
        if edges[0] < 1:
            axes.axvspan(edges[0], 1, color=ALARM, alpha=0.15, label='smaller than a cell')
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(0, 1.25 * axes.get_ylim()[1])  # room for the legend
        axes.legend()
    _label(axes, 'size of the objects on the grid', 'root of the area in cells', 'objects in %')


def _per_image(axes: Axes, counts: np.ndarray, max_per_img: int | None) -> None:
    highest = int(counts.max(initial=0))
    step = max(1, -(-(highest + 1) // 40))
    axes.hist(counts, np.arange(-0.5, highest + step + 0.5, step), color=FIRST)
    axes.xaxis.get_major_locator().set_params(integer=True)
    if max_per_img and highest > 0.6 * max_per_img:
        axes.axvline(max_per_img, color=ALARM, lw=1.2, label=f'max_per_img = {max_per_img}')
        axes.legend()
    _label(axes, 'objects per image', 'objects', 'images')


def _image_sizes(axes: Axes, sizes: np.ndarray) -> None:
    sizes = sizes[(sizes > 0).all(1)]
    if len(sizes):
        kinds, counts = np.unique(sizes, axis=0, return_counts=True)
        area = (3000 * counts / counts.sum()).clip(10, 180)
        axes.scatter(*kinds.T, s=area, color=FIRST, alpha=0.6, linewidths=0)
        end = 1.15 * sizes.max()
        axes.plot([0, end], [0, end], color=_rgb(FAINT_INK), lw=0.8, ls='--', zorder=0)
        axes.set(xlim=(0, end), ylim=(0, end))
        text = 'all {} x {}'.format(*kinds[0]) if len(kinds) == 1 else f'{len(kinds):,} sizes'
        axes.annotate(text, (0.05, 0.9), xycoords='axes fraction')
    axes.set_aspect('equal', 'box')
    _label(axes, 'image sizes', 'width in pixels', 'height in pixels', grid='both')


def _label(axes: Axes, title: str, x: str, y: str = '', grid: str = 'y') -> None:
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(axis=grid, lw=0.6)


def _short(name: str, most: int = 24) -> str:
    return name if len(name) <= most else name[: most - 1] + '…'
