"""The check as JSON, and as tables on a terminal."""

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .check import Check
from .classes import class_counts
from .finding import count_of, percent
from .grid import GridStatistics
from .images import image_summary, object_summary

COLORS = {'error': 'bold red', 'warning': 'yellow', 'note': 'cyan'}
MOST_ROWS = 100  # classes


def as_dict(check: Check) -> dict:
    """All numbers and findings, of Python's own types."""
    table, files = check.split.table, check.files
    result: dict = dict(split=check.name)
    if table is not None:
        counts = class_counts(table)
        result |= dict(
            images=image_summary(table),
            objects=object_summary(table),
            classes=[
                dict(name=name, **{key: int(value[i]) for key, value in counts.items()})
                for i, name in enumerate(table.classes)
            ],
            unnamed_classes=check.unnamed,
            dropped=check.split.dropped,
        )
    if files is not None:
        result['files'] = dict(
            checked=files.checked,
            missing=len(files.missing),
            unreadable=len(files.unreadable),
            other_size=len(files.sizes),
            same_content=sum(len(group) - 1 for group in files.same),
        )
    result['grid'] = {where: _numbers(grid) for where, grid in check.grids.items()}
    result['findings'] = [
        dict(
            severity=finding.severity,
            key=finding.key,
            count=finding.count,
            message=finding.message,
            examples=list(finding.examples),
        )
        for finding in check.findings
    ]
    return result


def print_report(check: Check, console: Console) -> None:
    """Tables, then the findings."""
    report = as_dict(check)
    if 'images' in report:
        if check.split.dataset is None:
            console.print('[yellow]Of the annotation file, as the dataset does not load.[/]')
        console.print(_images(report))
        console.print(_classes(report))
    if report['grid']:
        console.print(_grid(report['grid']))
    for finding in check.findings:
        line = Table.grid(padding=(0, 2))
        line.add_column(width=len('warning'), style=COLORS[finding.severity])
        line.add_column(overflow='fold')
        line.add_row(finding.severity, escape(finding.message))
        for example in finding.examples:
            line.add_row('', f'[dim]{escape(example)}[/]')
        console.print(line)
    console.print(verdict(check))


def verdict(check: Check) -> str:
    """The last line."""
    errors, warnings, notes = (check.count(s) for s in ('error', 'warning', 'note'))
    if not check.findings:
        return '[bold green]Nothing found that is wrong.[/]'
    numbers = ', '.join(
        count_of(number, noun)
        for number, noun in ((errors, 'error'), (warnings, 'warning'), (notes, 'note'))
        if number
    )
    if errors:
        return f'[bold red]{numbers}: correct the errors before you train.[/]'
    if warnings:
        return f'[bold yellow]{numbers}: it trains; read the warnings first.[/]'
    return f'[bold green]{numbers}: nothing speaks against training.[/]'


def _numbers(grid: GridStatistics) -> dict:
    names = [name for name in vars(grid) if name not in ('side', 'smallest_side')]
    levels = (5, 50, 95)
    sides = np.percentile(grid.side, levels) if len(grid.side) else ()
    quantiles = {f'{p}%': round(float(v), 2) for p, v in zip(levels, sides, strict=False)}
    return {name: int(getattr(grid, name)) for name in names} | dict(side=quantiles)


def _images(report: dict) -> Table:
    table = _table('', 'minimum', 'median', 'maximum', title='images and objects')
    images, objects = report['images'], report['objects']
    table.add_row(f'{images["images"]:,} images', *[''] * 3)
    for key in ('width', 'height', 'aspect_ratio', 'objects_per_image'):
        table.add_row('  ' + key.replace('_', ' '), *_spread(images[key]))
    table.add_row('  without objects', f'{images["without_objects"]:,}', '', '')
    table.add_row(f'{images["objects"]:,} objects', *[''] * 3)
    table.add_row('  side: root of the area', *_spread(objects['side']))
    table.add_row('  width / height', *_spread(objects['aspect_ratio']))
    for name, bound in (('small', '< 32²'), ('medium', '< 96²'), ('large', '')):
        share = percent(objects[name], images['objects'])
        table.add_row(f'  {name} {bound}', f'{objects[name]:,}', share, '')
    table.add_row(f'{images["ignored"]:,} ignored (crowds, difficult)', *[''] * 3)
    for reason, count in report['dropped'].items():
        table.add_row(f'[yellow]{count:,} dropped: {reason}[/]', *[''] * 3)
    return table


def _classes(report: dict) -> Table:
    table = _table('class', 'objects', 'share', 'images', 'ignored', title='classes')
    total = report['images']['objects']
    for row in report['classes'][:MOST_ROWS]:
        style = None if row['objects'] else 'bold red'
        cells = (f'{row[key]:,}' for key in ('images', 'ignored'))
        share = percent(row['objects'], total)
        table.add_row(escape(row['name']), f'{row["objects"]:,}', share, *cells, style=style)
    if len(report['classes']) > MOST_ROWS:
        table.add_row(f'and {len(report["classes"]) - MOST_ROWS} more, in the JSON file')
    for name, count in list(report['unnamed_classes'].items())[:MOST_ROWS]:
        table.add_row(f'{escape(name)} (not in config)', f'{count:,}', style='yellow')
    return table


def _grid(grids: dict[str, dict]) -> Table:
    table = _table('', *grids, title='on the grid of the heat-map')
    for label, key in (
        ('objects', 'objects'),
        ('with nothing on the map', 'off_map'),
        ('in a cell with one of the same class', 'same_class'),
        ('in a cell with one of another class', 'other_class'),
        ('pairs in neighbouring cells', 'neighbours'),
        ('less than a cell wide or high', 'small'),
    ):
        cells = []
        for grid in grids.values():
            share = f' ({percent(grid[key], grid["objects"])})' if grid[key] else ''
            cells.append(f'{grid[key]:,}' + (share if key != 'objects' else ''))
        table.add_row(label, *cells)
    for level in ('5%', '50%', '95%'):
        name = 'median' if level == '50%' else f'{level[:-1]} % below'
        sides = (grid['side'].get(level) for grid in grids.values())
        cells = ('-' if side is None else f'{side:.1f}' for side in sides)
        table.add_row(f'side in cells, {name}', *cells)
    return table


def _table(*columns: str, title: str) -> Table:
    table = Table(title=title, title_justify='left', title_style='bold')
    for i, name in enumerate(columns):
        table.add_column(name, justify='right' if i else 'left', overflow='fold')
    return table


def _spread(values: list[float] | None) -> list[str]:
    return ['-'] * 3 if values is None else [f'{value:,.4g}' for value in values]
