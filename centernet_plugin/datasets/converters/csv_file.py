"""Boxes in tables: CSV files with a header, or RetinaNet's without."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ...errors import UserInputError
from .boxes import (
    RELATIVE_LIMIT,
    Box,
    BoxSet,
    Corners,
    Entry,
    center_to_corners,
    corners_to_edges,
    relative_to_pixels,
)
from .csv_table import BOXES, CsvOptions, Table, read_table
from .image_folder import ImageFolder, measured, without_objects
from .tally import Tally
from .text_files import clean_path, parse_number, shorten

EMPTY = ('', 'nan', 'none', 'null', 'na', 'n/a')  # as programs write a cell without value


def read_csv(
    paths: Sequence[str | os.PathLike],
    images: ImageFolder,
    tally: Tally,
    options: CsvOptions = CsvOptions(),  # noqa: B008  frozen
    *,
    advance: Callable[[int], None] = lambda steps: None,
) -> BoxSet:
    """The boxes of tables, a split of each, named as its file.

    A row whose box and class are empty names an image without objects.

    Args:
        paths: of the files.
        images: where the images are.
        tally: counts what is left out.
        options: how the tables are to be read.
        advance: called with the number of rows that are done.

    Raises:
        UserInputError: a file that is not there or not a table; names file, line and what to do.
    """
    splits: dict[str, list[Entry]] = {}
    for path in paths:
        split = os.path.splitext(os.path.basename(path))[0]
        if split in splits:
            raise UserInputError(
                f'two files are called {shorten(split)}, which names a split: rename one'
            )
        table = read_table(path, options)
        splits[split] = _entries(path, table, images, tally, options, advance)
    unlisted = set(images.names) - {e.file_name for split in splits.values() for e in split}
    if unlisted and options.keep_unlisted:
        if len(splits) > 1:
            raise UserInputError(
                '--keep-unlisted cannot tell of which file images without a row are: convert one '
                'file at a time'
            )
        (entries,) = splits.values()
        entries += without_objects(images, sorted(unlisted), tally)
    elif unlisted:
        tally.note(
            'images in the folder without a row, left out; --keep-unlisted takes them as '
            'images without objects',
            f"'{min(unlisted)}'",
            len(unlisted),
        )
    return BoxSet(str(images.root), splits)


def _entries(path, table, images, tally, options, advance) -> list[Entry]:
    """The images of one table, in the order in which it first names them."""
    entries: dict[str, Entry | None] = {}
    lost: dict[str, list] = {}  # image that is not there -> first place, boxes
    parts, largest = 0, 0.0
    for number, words in table.rows:
        where = f"line {number} of '{path}'"
        row = _row(words, table, where, options)
        written = clean_path(row.image)
        found = images.find(written, where)
        size = images.size(found) if found else None
        if size is None:
            lost.setdefault(found or written, [f'{shorten(row.image)} in {where}', 0, found])
            lost[found or written][1] += row.box is not None
        else:
            entry = entries.setdefault(found, Entry(found, *size))
            if row.size and row.size != size:
                tally.note(
                    "rows with another size than the image's own, whose boxes may be those of "
                    'another or a resized image',
                    where,
                )
            if row.box is not None:
                parts += 1
                largest = max(largest, *map(abs, row.box))
                box = relative_to_pixels(row.box, *size) if options.relative else row.box
                entry.boxes.append(Box(row.label, box, where))
        advance(1)
    for place, boxes, found in lost.values():
        measured(images, found, place, tally, boxes)
    if parts and not options.relative and largest <= 1:
        raise UserInputError(
            f"all coordinates of '{path}' are between 0 and 1: if they are parts of the image, say "
            '--relative'
        )
    return list(entries.values())


@dataclass(frozen=True)
class _Row:
    image: str
    label: str
    box: Corners | None
    size: tuple[int, int] | None


def _row(words: list[str], table: Table, where: str, options: CsvOptions) -> _Row:
    """One row; ``box`` is None of an image without objects."""
    needed = [table.columns['image'], *(table.columns[key] for key in BOXES[table.boxes])]
    if len(words) <= max(needed) and len([word for word in words if word]) > 1:
        raise UserInputError(
            f'{where} has {len(words)} columns, too few: complete it, or leave all but the image '
            'empty if that has no objects'
        )
    cell = {key: words[i] if i < len(words) else '' for key, i in table.columns.items()}
    if not cell['image']:
        raise UserInputError(f'{where} names no image: complete or remove it')
    number = partial(parse_number, where=where, decimal_comma=table.decimal_comma)
    box = [cell[key] for key in BOXES[table.boxes]]
    written = cell.get('class', '')
    label = '' if written.lower() in EMPTY else written
    size = None
    if cell.get('width') and cell.get('height'):
        sides = (cell['width'], cell['height'])
        size = tuple(round(number(side)) for side in sides)
    if all(word.lower() in EMPTY for word in box):
        if label.lower() not in ('', 'background', '0', '-1'):
            raise UserInputError(
                f'{where} has the class {shorten(label)} and no box: complete it, or empty the '
                'class if the image has no objects'
            )
        return _Row(cell['image'], '', None, size)
    numbers = [number(word) for word in box]
    label = label if 'class' in table.columns else options.class_name
    if not label:
        instead = f' but {shorten(written)}' if written else ''
        raise UserInputError(f'{where} has a box and no class{instead}: complete it')
    if options.relative and max(map(abs, numbers)) > RELATIVE_LIMIT:
        raise UserInputError(
            f'{where} has {max(numbers, key=abs):g}, which is no part of an image (0 to 1): leave '
            '--relative out if coordinates are pixels'
        )
    if table.boxes == 'corners':
        pixels = 'edges' if options.relative else options.pixels
        box = corners_to_edges(tuple(numbers), pixels)
    elif table.boxes == 'cxcywh':
        box = center_to_corners(numbers)
    else:
        x, y, w, h = numbers
        box = x, y, x + w, y + h
    return _Row(cell['image'], label, box, size)
