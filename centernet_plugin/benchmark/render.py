"""Results on a page: ``docs/benchmarks/README.md`` and a plot of every JSON file beside it."""

import json
import re
from pathlib import Path
from typing import Any

from ..errors import UserInputError
from ..visualization.plots import plot_ratios
from .case import OURS
from .machine import in_words
from .table import markdown_tables, steps_markdown

INTRODUCTION = """# Benchmarks

Our components and MMDetection's own CenterNet, on the same inputs. Made by
`tools/analysis_tools/benchmark.py`, which also wrote this page (`--render docs/benchmarks`) from
the JSON files beside it.

- Both sides are in one process and take turns, after a call each that warms up and whose results
  are compared: where they are not the same, there is no ratio. Medians of the rounds, quartiles
  in brackets.
- `x mmdet` is how many times better than MMDetection's median; the goal is the least that it has
  to be.
- `peak MB` is what a call adds to the memory in use, its inputs not counted: resident pages on
  CPUs, tensors on CUDA. In units of heat-maps, the logits are counted as one.
- Boxes have log-uniform sides, 7.1 per image as in COCO unless the table says otherwise. Raw maps
  are smooth noise with a peak at every object. Image files are JPEGs of 640 x 480, drawn by the
  generator of `tools/dataset_converters/make_synthetic.py`, unless the command names others.
- Of the deformable convolution, the other side is mmcv's compiled operator.
- Networks have random weights, equal on both sides where there are two.
- What the switches do to accuracy: [accuracy.md](accuracy.md).
"""


def render(folder: Path | str) -> list[Path]:
    """Writes the page and the plots of a folder of results.

    Args:
        folder: with the files that ``--json`` wrote.

    Returns:
        What was written.

    Raises:
        UserInputError: there are no results, or a file is none.
    """
    folder = Path(folder)
    sources = sorted(folder.glob('*.json'))
    if not sources:
        raise UserInputError(f"there is no JSON file in '{folder}'")
    parts, written = [INTRODUCTION], []
    for source in sources:
        result = read(source)
        bars = ratios(result['rows'])
        if bars:
            written.append(source.with_suffix('.png'))
            plot_ratios(written[-1], bars)
        parts.append(section(source.stem, result, plot=bool(bars)))
    page = folder / 'README.md'
    page.write_text('\n'.join(parts))
    return [page, *written]


def read(path: Path) -> dict[str, Any]:
    """A file of results.

    Raises:
        UserInputError: it is something else.
    """
    try:
        result = json.loads(path.read_text())
        if {'machine', 'command', 'rows'} <= result.keys():
            return result
    except (ValueError, AttributeError):
        pass
    raise UserInputError(f"'{path}' is no result of benchmark.py")


def section(name: str, result: dict[str, Any], *, plot: bool) -> str:
    """What one file says."""
    machine, command = result['machine'], result['command']
    parts = [
        f'## {machine["gpu"] or "CPU"}',
        '',
        f'{in_words(machine)}.',
        '',
        f'```shell\n{command}\n```',
        '',
    ]
    if plot:
        parts += [f'![Ratio to MMDetection by component, with the goals]({name}.png)', '']
    parts.append(markdown_tables(result['rows'], re.sub(r" --only '[^']*'", '', command)))
    steps = steps_markdown(result['rows'])
    if steps:
        parts += ['### The training step by parts', '', steps, '']
    return '\n'.join(parts)


def ratios(rows: list[dict[str, Any]]) -> list[tuple[str, float, float | None]]:
    """Title, speed to mmdet's and goal of each of our sides that has a ratio, without series."""
    return [
        (
            f'{row["group"]}: {row["name"]}' + side.removeprefix(OURS),
            found['ratio'],
            found.get('goal'),
        )
        for row in rows
        if row['measure'] == 'time' and not row['series']
        for side, found in row.get('sides', {}).items()
        if side.startswith(OURS) and found.get('ratio')
    ]
