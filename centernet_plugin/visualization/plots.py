"""Plots of evaluations and benchmarks, as PNG files. Needs no display."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from .draw import PALETTE
from .outcome import FALSE, RIGHT
from .panel import CARD, FAINT_INK, INK

FEW = 8  # classes that have a colour and a name each


def plot_precision_recall(
    path: Path | str,
    recalls: np.ndarray,
    curves: dict[str, np.ndarray],
    class_names: Sequence[str],
    counts: Sequence[int],
) -> None:
    """Precision over recall: one plot per IoU, a curve per class and the mean of all.

    Of many classes only those with most objects have colours and names.

    Args:
        path: PNG file.
        recalls: (R,).
        curves: by title, precisions of every class; NaN for a class without objects. (C, R)
        class_names: by class index.
        counts: objects of every class.
    """
    figure, axes = _figure(len(curves), 1, width=7, height=4.9)
    first = next(iter(curves.values()))
    present = np.flatnonzero(~np.isnan(first).any(1))
    ranked = present[np.argsort(-np.asarray(counts)[present], kind='stable')]
    chosen = ranked[:FEW]
    for ax, (title, precision) in zip(axes, curves.items(), strict=True):
        for label in ranked[FEW:]:
            ax.plot(recalls, precision[label], color=_rgb(FAINT_INK), lw=0.6, alpha=0.35)
        for place, label in enumerate(chosen):
            _curve(ax, recalls, precision[label], class_names[label], color=_rgb(PALETTE[place]))
        if len(ranked) > 1:
            mean = precision[present].mean(0)
            _curve(ax, recalls, mean, f'mean of {len(ranked)}', color='white', lw=2.6)
        if len(ranked) > FEW:
            ax.plot([], [], color=_rgb(FAINT_INK), lw=0.6, label='other classes')
        _style(ax, title, 'recall', 'precision')
        ax.set(xlim=(0, 1), ylim=(0, 1.02))
        if len(ranked):
            _legend(ax, 'AP', loc='upper left', bbox_to_anchor=(1, 1.02))
    _save(figure, path)


def plot_classes(
    path: Path | str,
    recalls: np.ndarray,
    curves: dict[str, np.ndarray],
    class_names: Sequence[str],
) -> None:
    """A small plot of precision over recall for every class, in their order.

    Args: as :func:`plot_precision_recall`'s.
    """
    columns = min(10, len(class_names))
    rows = -(-len(class_names) // columns)
    figure, axes = _figure(columns, rows, width=1.9, height=1.75)
    for label, ax in enumerate(axes):
        if label >= len(class_names):
            ax.set_axis_off()
            continue
        _style(ax, '', size=9)
        ax.set_title(class_names[label], loc='left', color=_rgb(INK), fontsize=8, pad=3)
        ax.set(xlim=(0, 1), ylim=(0, 1.02), xticks=[0, 1], yticks=[0, 1])
        for place, precision in enumerate(curves.values()):
            if np.isnan(precision[label]).any():
                ax.text(0.5, 0.5, 'no object', color=_rgb(FAINT_INK), ha='center', fontsize=8)
                break
            ap = precision[label].mean()
            ax.plot(recalls, precision[label], color=_rgb(PALETTE[place]), lw=1.4)
            right = 1 - 0.22 * (len(curves) - 1 - place)
            style = dict(ha='right', transform=ax.transAxes, color=_rgb(PALETTE[place]))
            ax.text(right, 1.035, f'{ap:.2f}', fontsize=8, **style)
    figure.suptitle(
        'precision over recall by class, with its AP, at ' + ' and '.join(curves),
        color=_rgb(INK),
        fontsize=12,
    )
    _save(figure, path)


def plot_scores(
    path: Path | str, right: np.ndarray, false: np.ndarray, threshold: float | None = None
) -> None:
    """How many right and false detections have which score.

    Args:
        path: PNG file.
        right: scores of the right detections.
        false: of the others.
        threshold: marked, where given.
    """
    figure, (ax,) = _figure(1, 1, width=8, height=4.6)
    bins, top = np.linspace(0, 1, 41), 10
    for scores, name, color in ((false, 'false', FALSE), (right, 'right', RIGHT)):
        scores = np.clip(np.asarray(scores)[np.isfinite(scores)], 0, 1)
        label = f'{name}: {len(scores)}'
        counts, *_ = ax.hist(scores, bins, color=_rgb(color), alpha=0.3)
        ax.hist(scores, bins, color=_rgb(color), histtype='step', lw=1.8, label=label)
        top = max(top, 1.5 * counts.max())
    if threshold is not None:
        used = [int((np.asarray(s) >= threshold).sum()) for s in (right, false)]
        ax.axvline(threshold, color='white', lw=1.2, ls='--')
        label = f'from {threshold:.3g} on {used[0]} right, {used[1]} false'
        ax.plot([], [], color='white', lw=1.2, ls='--', label=label)
    _style(ax, 'detections by score, right at IoU 0.5', 'score', 'detections')
    ax.set(xlim=(0, 1), ylim=(0.7, top), yscale='log')
    ax.yaxis.set_major_formatter(lambda value, _: f'{value:g}')
    _legend(ax)
    _save(figure, path)


def plot_ratios(path: Path | str, bars: Sequence[tuple[str, float, float | None]]) -> None:
    """How many times faster things are than something else, each beside its goal.

    Args:
        path: PNG file.
        bars: from top to bottom; name, ratio (positive) and the ratio that was aimed at, if any.
    """
    figure, (ax,) = _figure(1, 1, width=11, height=1.1 + 0.27 * len(bars))
    for place, (_, ratio, goal) in enumerate(bars):
        reached = ratio >= (goal or 1)
        ax.barh(place, ratio - 1, left=1, height=0.62, color=_rgb(RIGHT if reached else FALSE))
        far = dict(x=max(ratio, 1) * 1.06, y=place, va='center', color=_rgb(INK), fontsize=9)
        ax.text(s=f'{ratio:.3g}', **far)
        if goal:
            ax.plot([goal, goal], [place - 0.42, place + 0.42], color='white', lw=2)
    _style(ax, '', "times MMDetection's speed")
    title = 'blue: the goal (white) is met, or faster where there is none'
    figure.suptitle(title, color=_rgb(INK), fontsize=12)
    values = [value for _, ratio, goal in bars for value in (ratio, goal or 1)]
    ax.set(xscale='log', xlim=(min(0.9, *values) / 1.1, 1.6 * max(1, *values)))
    ax.set_yticks(range(len(bars)), [name for name, *_ in bars], color=_rgb(INK), fontsize=9)
    ax.set_ylim(len(bars) - 0.4, -0.6)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(lambda value, _: f'{value:g}')
    ax.xaxis.set_minor_locator(NullLocator())
    ax.grid(visible=False, axis='y')
    ax.axvline(1, color=_rgb(FAINT_INK), lw=1)
    _save(figure, path)


def _figure(columns: int, rows: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with axes of so many inches."""
    figure = Figure(
        figsize=(columns * width, rows * height), facecolor=_rgb(CARD), layout='constrained'
    )
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def _style(ax: Axes, title: str, x: str = '', y: str = '', size: int = 12) -> None:
    ax.set_facecolor(_rgb(CARD))
    ax.set_title(title, color=_rgb(INK), fontsize=size)
    ax.set_xlabel(x, color=_rgb(FAINT_INK))
    ax.set_ylabel(y, color=_rgb(FAINT_INK))
    ax.tick_params(colors=_rgb(FAINT_INK), labelsize=min(size, 10))
    ax.grid(color=_rgb(FAINT_INK), alpha=0.2, lw=0.6)
    for spine in ax.spines.values():
        spine.set_color((*_rgb(FAINT_INK), 0.5))


def _curve(ax: Axes, recalls: np.ndarray, precision: np.ndarray, name: str, **style) -> None:
    ax.plot(recalls, precision, label=f'{precision.mean():.3f}  {name}', **{'lw': 1.6, **style})


def _legend(ax: Axes, title: str = '', **place) -> None:
    colors = dict(facecolor=_rgb(CARD), edgecolor='none', labelcolor=_rgb(INK))
    legend = ax.legend(title=title, fontsize=9, **colors, **place)
    legend.get_title().set_color(_rgb(FAINT_INK))


def _rgb(color: tuple[int, int, int]) -> tuple[float, float, float]:
    """Of BGR."""
    blue, green, red = color
    return red / 255, green / 255, blue / 255


def _save(figure: Figure, path: Path | str) -> None:
    figure.savefig(path, dpi=110, facecolor=figure.get_facecolor())
