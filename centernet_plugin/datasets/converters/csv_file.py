"""Boxes in tables: CSV files with a header, or RetinaNet's without."""

import csv
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ...errors import UserInputError
from .boxes import (
    Box,
    BoxSet,
    Corners,
    Entry,
    center_to_corners,
    corners_to_edges,
    relative_to_pixels,
)
from .image_folder import ImageFolder, measured
from .tally import Tally
from .text_files import clean_path, parse_number, read_text, shorten

# What columns are called, without capitals, blanks and underscores; the first that is there counts.
ALIASES = {
    'image': ('image', 'filename', 'imagename', 'imagepath', 'imagefile', 'filepath', 'file')
    + ('path', 'imageid', 'img', 'imgname', 'imgpath', 'externalid'),
    'x1': ('x1', 'xmin', 'left', 'xtl', 'bboxx1', 'minx', 'xleft', 'bboxleft'),
    'y1': ('y1', 'ymin', 'top', 'ytl', 'bboxy1', 'miny', 'ytop', 'bboxtop'),
    'x2': ('x2', 'xmax', 'right', 'xbr', 'bboxx2', 'maxx', 'xright', 'bboxright'),
    'y2': ('y2', 'ymax', 'bottom', 'ybr', 'bboxy2', 'maxy', 'ybottom', 'bboxbottom'),
    'x': ('x', 'bboxx', 'cx', 'xcenter', 'centerx', 'xcentre', 'centrex', 'left', 'xmin', 'x1'),
    'y': ('y', 'bboxy', 'cy', 'ycenter', 'centery', 'ycentre', 'centrey', 'top', 'ymin', 'y1'),
    'w': ('w', 'bboxw', 'bboxwidth', 'boxwidth', 'width'),
    'h': ('h', 'bboxh', 'bboxheight', 'boxheight', 'height'),
    'class': ('class', 'classname', 'label', 'labelname', 'category', 'categoryname', 'name'),
    'width': ('imagewidth', 'imgwidth', 'imwidth', 'width'),
    'height': ('imageheight', 'imgheight', 'imheight', 'height'),
}
CENTER = ('cx', 'xcenter', 'centerx', 'xcentre', 'centrex')
BOXES = {
    'corners': ('x1', 'y1', 'x2', 'y2'),
    'xywh': ('x', 'y', 'w', 'h'),
    'cxcywh': ('x', 'y', 'w', 'h'),
}
EMPTY = ('', 'nan', 'none', 'null', 'na', 'n/a')  # as programs write a cell without value
HEADERLESS = ('image', 'x1', 'y1', 'x2', 'y2', 'class')  # RetinaNet's
DELIMITERS = ',;\t|'
RELATIVE_LIMIT = 2.0  # a part of the image beyond it is none


@dataclass(frozen=True)
class CsvOptions:
    """How a table is to be read.

    Attributes:
        columns: what the table calls the columns of ``ALIASES``, or their numbers from 1.
        header: whether the first line has names; None: it is looked at.
        boxes: ``'corners'``, ``'xywh'`` (first corner and size) or ``'cxcywh'`` (centre and size);
            None: as the header says.
        pixels: what corners count, a key of ``PIXELS``.
        relative: whether coordinates are parts of the image, 0 to 1.
        delimiter: between columns; None: the one of the first line.
        encoding: of the file.
        class_name: of all boxes, where no column names it.
        keep_unlisted: whether images without a row count as images without objects.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    header: bool | None = None
    boxes: str | None = None
    pixels: str = 'edges'
    relative: bool = False
    delimiter: str | None = None
    encoding: str = 'utf-8'
    class_name: str | None = None
    keep_unlisted: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of a file, and which column is what.

    Attributes:
        rows: line number, counted from 1, and words.
        columns: name, of ``ALIASES`` -> place, counted from 0.
        boxes: a key of ``BOXES``.
        delimiter: between the words.
    """

    rows: list[tuple[int, list[str]]]
    columns: dict[str, int]
    boxes: str
    delimiter: str


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
            raise UserInputError(f"two files are called '{split}', which names a split: rename one")
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
        for name in sorted(unlisted):
            if size := measured(images, name, f"'{name}'", tally, 0):
                entries.append(Entry(name, *size))
    elif unlisted:
        tally.note(
            'images in the folder without a row, left out; --keep-unlisted takes them as '
            'images without objects',
            f"'{min(unlisted)}'",
            len(unlisted),
        )
    return BoxSet(str(images.root), splits)


def read_table(path: str | os.PathLike, options: CsvOptions) -> Table:
    """The rows of a file, and which column is what; see :class:`CsvOptions`.

    Raises:
        UserInputError: no such file, not a table, or no columns that make a box.
    """
    text = read_text(path, options.encoding)
    first = next((line for line in text.split('\n') if line.strip()), None)
    if first is None:
        raise UserInputError(f"'{path}' is empty: it needs a row for every box")
    if (sep := re.fullmatch(rf'sep=([{DELIMITERS}])', first.strip(' "'))) and not options.delimiter:
        delimiter = sep[1]  # Excel's first line
    else:
        sep = None
        delimiter = options.delimiter or max(DELIMITERS, key=_outside_quotes(first).count)
    if len(delimiter) != 1 or delimiter in '"\n ':
        raise UserInputError(f'the delimiter {delimiter!r} is not one character, such as ;')
    lines = text.split('\n')
    reader = csv.reader((f'{line}\n' for line in lines), delimiter=delimiter, strict=True)
    rows = []
    try:
        for words in reader:
            if any(word.strip() for word in words):
                rows.append((reader.line_num, [word.strip() for word in words]))
    except csv.Error as error:
        raise UserInputError(
            f"line {reader.line_num} of '{path}' is broken ({error}): look for a quote without its "
            'partner'
        ) from error
    rows = rows[1:] if sep else rows
    if not rows:
        raise UserInputError(f"'{path}' has no row: it needs one for every box")
    header = _has_header(rows[0], path, options)
    columns, boxes = _columns(rows[0][1], header, path, options)
    rows = rows[1:] if header else rows
    if not rows:
        raise UserInputError(f"'{path}' has a header and no row: it needs one for every box")
    return Table(rows, columns, boxes, delimiter)


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
    comma = table.delimiter != ','
    box = [cell[key] for key in BOXES[table.boxes]]
    label = cell.get('class', '')
    size = None
    if cell.get('width') and cell.get('height'):
        sides = (cell['width'], cell['height'])
        size = tuple(round(parse_number(side, where, decimal_comma=comma)) for side in sides)
    if all(word.lower() in EMPTY for word in box):
        if label.lower() not in (*EMPTY, 'background', '0', '-1'):
            raise UserInputError(
                f'{where} has the class {shorten(label)} and no box: complete it, or empty the '
                'class if the image has no objects'
            )
        return _Row(cell['image'], '', None, size)
    numbers = [parse_number(word, where, decimal_comma=comma) for word in box]
    label = label if 'class' in table.columns else options.class_name
    if not label:
        raise UserInputError(f'{where} has a box and no class: complete it')
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


def _has_header(row: tuple[int, list[str]], path, options: CsvOptions) -> bool:
    if options.header is not None:
        return options.header
    if any(not name.isdecimal() for name in options.columns.values()):
        return True
    words = row[1]
    known = {alias for aliases in ALIASES.values() for alias in aliases}
    if sum(_plain(word) in known for word in words) >= 2:
        return True
    if options.columns or len(words) == len(HEADERLESS) and _is_box(words[1:5]):
        return False
    raise UserInputError(
        f"line {row[0]} of '{path}' is neither a header with names such as image, xmin, ymin, "
        'xmax, ymax, class nor a row of image, x1, y1, x2, y2, class: say what the columns are, '
        f'as --columns image=NAME x1=NAME; found {len(words)} columns, '
        f'{", ".join(shorten(word, 20) for word in words[:6])}'
    )


def _is_box(words: list[str]) -> bool:
    try:
        return not any(words) or bool([parse_number(w, '', decimal_comma=True) for w in words])
    except UserInputError:
        return False


def _columns(
    words: list[str], header: bool, path, options: CsvOptions
) -> tuple[dict[str, int], str]:
    """Places of the columns by their names in ``ALIASES``, and the kind of box."""
    columns = {}
    for key, name in options.columns.items():
        if key not in ALIASES:
            raise UserInputError(f'--columns has no {key!r}; choose of {", ".join(ALIASES)}')
        if header and name in words:
            columns[key] = words.index(name)
        elif name.isascii() and name.isdecimal() and 1 <= int(name[:9]) <= len(words):
            columns[key] = int(name) - 1
        else:
            raise UserInputError(
                f"'{path}' has no column {name!r} for {key}; it has "
                + (', '.join(shorten(word, 20) for word in words[:20]) if header else '')
                + ('' if header else f'{len(words)}, called by their numbers from 1')
            )
    plain = [_plain(word) for word in words] if header else []
    if not header and not options.columns:
        names = HEADERLESS if options.boxes in (None, 'corners') else (
            'image', *BOXES[options.boxes], 'class'
        )  # fmt: skip
        columns = {name: i for i, name in enumerate(names) if i < len(words)}

    def place(key: str) -> int | None:
        if key in columns:
            return columns[key]
        used = set(columns.values())
        places = (plain.index(alias) for alias in ALIASES[key] if alias in plain)
        return next((i for i in places if i not in used), None)

    if place('image') is None:
        raise UserInputError(f"'{path}' has no column with the image: say --columns image=NAME")
    columns['image'] = place('image')
    kinds = [options.boxes] if options.boxes else ['corners', 'xywh']
    if not options.boxes and {'x', 'y', 'w', 'h'} & columns.keys():
        kinds = ['xywh']
    complete = [kind for kind in kinds if all(place(key) is not None for key in BOXES[kind])]
    if not complete:
        wanted = ' or '.join(', '.join(BOXES[kind]) for kind in kinds)
        raise UserInputError(
            f"'{path}' has no columns that make a box ({wanted}): say which they are, as "
            '--columns x1=NAME y1=NAME x2=NAME y2=NAME'
        )
    boxes = complete[0]
    for key in BOXES[boxes]:
        columns[key] = place(key)
    if boxes == 'xywh' and not options.boxes and plain and plain[columns['x']] in CENTER:
        boxes = 'cxcywh'
    if options.pixels != 'edges' and (options.relative or boxes != 'corners'):
        raise UserInputError(
            f"--pixels {options.pixels} is about corners in pixels, and the boxes of '{path}' are "
            + ('parts of the image' if options.relative else 'a point and a size')
            + ': leave it out'
        )
    for key in ('class', 'width', 'height'):
        if (i := place(key)) is not None:
            columns[key] = i
    if 'class' not in columns and not options.class_name:
        raise UserInputError(
            f"'{path}' has no column with the class: say --columns class=NAME, or name the only "
            'class with --classes NAME'
        )
    return columns, boxes


def _outside_quotes(line: str) -> str:
    return re.sub(r'"[^"]*"', '', line)


def _plain(name: str) -> str:
    return re.sub(r'[\s_\-./]+', '', name.lower())
