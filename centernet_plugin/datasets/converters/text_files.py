"""Text files of other people: their encodings, line ends, numbers and paths."""

import codecs
import math
import os
import re

from ...errors import UserInputError

NUMBER = re.compile(r'[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?', re.ASCII)
GROUPED = re.compile(r'[+-]?[1-9]\d{0,2},\d{3}', re.ASCII)  # 1,030: a thousand and thirty?
LARGEST = 1e9  # of a coordinate; beyond it float64 has no thousandth of a pixel


def read_text(path: str | os.PathLike, encoding: str = 'utf-8') -> str:
    """The text of a file, with ``\\n`` at the ends of lines, whoever wrote it.

    A byte order mark is taken off, and one of UTF-16 tells the encoding.

    Args:
        path: of the file.
        encoding: any that Python knows.

    Raises:
        UserInputError: no such file, not readable, or not text in this encoding.
    """
    try:
        with open(path, 'rb') as file:
            content = file.read()
    except FileNotFoundError as error:
        raise UserInputError(f"'{path}' does not exist") from error
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise UserInputError(f"cannot read '{path}': {error}") from error
    return decode(content, path, encoding)


def decode(content: bytes, path: str | os.PathLike, encoding: str = 'utf-8') -> str:
    """The text of a file's ``content``; see :func:`read_text`."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = 'utf-16'
    elif content.startswith(codecs.BOM_UTF8):
        encoding = 'utf-8-sig'
    try:
        text = content.decode(encoding)
    except LookupError as error:
        raise UserInputError(f'unknown encoding {encoding!r}, such as utf-8 or cp1252') from error
    except (UnicodeError, ValueError) as error:
        start = getattr(error, 'start', 0)
        line = content.count(b'\n', 0, start) + 1
        raise UserInputError(
            f"line {line} of '{path}' is not text in {encoding}: save the file as UTF-8, or say "
            'what it is, as --encoding cp1252'
        ) from error
    if '\0' in text:
        line = text.count('\n', 0, text.index('\0')) + 1
        raise UserInputError(
            f"line {line} of '{path}' has null characters: the file is no text, or is damaged"
        )
    return text.replace('\r\n', '\n').replace('\r', '\n')


def parse_number(word: str, where: str, *, decimal_comma: bool = False) -> float:
    """A finite number of a sensible size.

    Args:
        word: digits, as a person or a program writes them.
        where: file and line, for the message.
        decimal_comma: whether ``1,5`` is a number too.

    Raises:
        UserInputError: anything else, such as ``nan``, ``1_0`` or nothing.
    """
    text = word.strip()
    if decimal_comma:
        text = text.replace(',', '.')
    if not NUMBER.fullmatch(text) or not math.isfinite(number := float(text)):
        what = (
            'write a decimal point, and nothing between thousands' if ',' in word else 'correct it'
        )
        raise UserInputError(f'{where} has {shorten(word)} where a number is needed: {what}')
    if abs(number) > LARGEST:
        raise UserInputError(f'{where} has {shorten(word)}, which is no coordinate: correct it')
    return number


def has_decimal_comma(word: str) -> bool:
    """Whether this is a number with a comma that cannot be a separator of thousands."""
    number = ',' in word and NUMBER.fullmatch(word.replace(',', '.'))
    return bool(number) and not GROUPED.fullmatch(word)


def shorten(word: str, most: int = 60) -> str:
    """A word of a file in quotes, on one line, and not longer than a message can bear."""
    return repr(word if len(word) <= most else word[: most - 1] + '…')


def clean_path(path: str) -> str:
    """A path with ``/``, without blanks around it, ``.`` and ``..`` in the middle."""
    path = path.strip().strip('"').replace('\\', '/')
    parts = []
    for part in path.split('/'):
        if part == '..' and parts and parts[-1] != '..':
            parts.pop()
        elif part not in ('', '.'):
            parts.append(part)
    return ('/' if path.startswith('/') else '') + '/'.join(parts)


def unique_names(names: list[str], where: str) -> list[str]:
    """Class names as they are, without blanks around them.

    Raises:
        UserInputError: there is none, an empty one, or one twice; says where and which.
    """
    names = [str(name).strip() for name in names]
    if not names:
        raise UserInputError(f'{where} names no class: one name a line is needed')
    for number, name in enumerate(names):
        if not name:
            raise UserInputError(f'{where}: class {number} (counted from 0) has no name, give one')
        if name in names[:number]:
            raise UserInputError(f'{where} names the class {shorten(name)} twice: remove one')
    return names


def read_names(path: str | os.PathLike, encoding: str = 'utf-8') -> list[str]:
    """Class names from a file: one a line, or lines of name and number as RetinaNet's ``a.csv``.

    Raises:
        UserInputError: no such file, no names, one twice, or numbers that do not count from 0.
    """
    lines = [line.strip() for line in read_text(path, encoding).split('\n')]
    while lines and not lines[-1]:
        lines.pop()
    pairs = [re.fullmatch(r'(.*?)\s*[,;\t]\s*(\d{1,9})', line) for line in lines]
    if lines and all(pairs):
        pairs = sorted((int(pair[2]), pair[1]) for pair in pairs)
        if [number for number, _ in pairs] != list(range(len(pairs))):
            raise UserInputError(
                f"the classes of '{path}' are not numbered 0 to {len(pairs) - 1}: correct them"
            )
        lines = [name for _, name in pairs]
    return unique_names(lines, f"'{path}'")
