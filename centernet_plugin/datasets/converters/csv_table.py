"""Rows of a CSV file, and which column is what."""

import csv
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ...errors import UserInputError
from .text_files import has_decimal_comma, parse_number, read_text, shorten

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
HEADERLESS = ('image', 'x1', 'y1', 'x2', 'y2', 'class')  # RetinaNet's
DELIMITERS = ',;\t|'


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
        decimal_comma: whether ``1,5`` is a number.
    """

    rows: list[tuple[int, list[str]]]
    columns: dict[str, int]
    boxes: str
    decimal_comma: bool


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
    # As long as no number shows what its comma is, 1,030 may be a thousand and thirty.
    decimal_comma = delimiter != ',' and any(
        has_decimal_comma(word) for _, words in rows for word in words
    )
    return Table(rows, columns, boxes, decimal_comma)


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
