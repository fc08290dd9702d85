"""Rows of results as cells of a table, for a terminal and for Markdown."""

from typing import Any

from rich.table import Table

from .case import BASE

HEADER = ('what', 'side', 'median (quartiles)', 'peak MB', 'x mmdet', 'goal')
LEFT = 2  # columns of text
STEPS = ('data', 'network', 'loss', 'backward', 'optimiser')


def cells(rows: list[dict[str, Any]]) -> list[list[tuple[str, ...]]]:
    """The lines of every group of rows, each of the columns of :data:`HEADER`."""
    groups: dict[str, list[tuple[str, ...]]] = {}
    for row in rows:
        lines = groups.setdefault(row['group'], [])
        lines += _lines(row)
    return [[(group, *[''] * (len(HEADER) - 1)), *lines] for group, lines in groups.items()]


def terminal_table(rows: list[dict[str, Any]]) -> Table:
    """All rows, group by group."""
    table = Table()
    for i, title in enumerate(HEADER):
        table.add_column(title, justify='left' if i < LEFT else 'right')
    for (group, *_), *lines in cells(rows):
        table.add_section()
        table.add_row(f'[bold]{group}[/bold]')
        for line in lines:
            table.add_row('  ' + line[0], *line[1:])
    return table


def markdown_tables(rows: list[dict[str, Any]], command: str) -> str:
    """A heading, the command that makes it again and a table for every group."""
    parts = []
    for (group, *_), *lines in cells(rows):
        again = f"`{command} --only '^{group}:'`"
        parts += [f'### {group[0].upper()}{group[1:]}', '', again, '', *markdown(HEADER, lines), '']
    return '\n'.join(parts)


def steps_markdown(rows: list[dict[str, Any]]) -> str:
    """A table of the steps of every side that has some; '' if none has."""
    lines = []
    for row in rows:
        for name, side in row.get('sides', {}).items():
            if 'steps' in side:
                steps = [number(side['steps'].get(step)) for step in STEPS]
                lines.append((row['name'], name, *steps, number(side['median'])))
    if not lines:
        return ''
    return '\n'.join(markdown(('milliseconds', 'side', *STEPS, 'total without data'), lines))


def markdown(header: tuple[str, ...], lines: list[tuple[str, ...]]) -> list[str]:
    """Lines of a table."""
    rule = '|---' * LEFT + '|---:' * (len(header) - LEFT) + '|'
    return [f'| {" | ".join(header)} |', rule, *(f'| {" | ".join(line)} |' for line in lines)]


def number(value: float | None) -> str:
    """Three digits of it, whole above a hundred."""
    if value is None:
        return '-'
    return f'{value:.0f}' if value >= 100 else f'{value:.3g}'


def _lines(row: dict[str, Any]) -> list[tuple[str, ...]]:
    name = row['name']
    if 'skipped' in row:
        return [(name, '', f'not run: {row["skipped"]}', '', '', '')]
    if 'error' in row:
        return [(name, '', f'failed: {row["error"]}', '', '', '')]
    if 'differences' in row:
        return [
            (name, side, f'NOT THE SAME: {text}', '', '', '')
            for side, text in row['differences'].items()
        ]
    lines = []
    for side, values in row['sides'].items():
        spread = ''
        if values.get('rounds', 1) > 1:
            spread = f' ({number(values["low"])} to {number(values["high"])})'
        lines.append(
            (
                '' if lines else name,
                side,
                f'{number(values["median"])} {row["unit"]}{spread}',
                number(values['peak_mb']) if 'peak_mb' in values else '',
                '' if side == BASE or 'ratio' not in values else number(values['ratio']),
                _goal(row, values),
            )
        )
    lines += [('', side, f'not run: {why}', '', '', '') for side, why in row['absent'].items()]
    return lines


def _goal(row: dict[str, Any], values: dict[str, Any]) -> str:
    if 'met' not in values:
        return ''
    if 'goal' in values:
        aim = f'{values["goal"]:g} x'
    elif row['growth'] is not None:
        aim = f'grew {number(values["grown"])} x, at most {number(row["growth"])} x'
    else:
        aim = f'at most {row["limit"]:g}'
    return f'{aim}: {"met" if values["met"] else "missed"}'
