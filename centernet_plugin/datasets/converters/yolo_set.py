"""YOLO's layout: a text file beside every image, with a line ``class x y width height`` per box.

The numbers are parts of the image, x and y the middle of the box. A line with more points is the
outline of an object, of which the box is taken.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ...errors import UserInputError
from ..inspection.finding import count_of
from .boxes import (
    NO_IMAGE,
    RELATIVE_LIMIT,
    UNREADABLE,
    Box,
    BoxSet,
    Corners,
    Entry,
    center_to_corners,
    relative_to_pixels,
)
from .image_folder import image_size, list_images
from .tally import Tally
from .text_files import clean_path, parse_number, read_text, shorten
from .yolo_layout import NAME_FILES, YoloLayout


def read_yolo(
    layout: YoloLayout,
    tally: Tally,
    *,
    encoding: str = 'utf-8',
    advance: Callable[[int], None] = lambda steps: None,
) -> BoxSet:
    """The boxes of every split. An image without a label file has no objects, as in YOLO.

    Args:
        layout: see :func:`find_yolo`.
        tally: counts what is left out.
        encoding: of the text files.
        advance: called with the number of images that are done.

    Raises:
        UserInputError: a list or a label that is not as it should be, with file and line; or no
            label at all.
    """
    for where in layout.skipped:
        tally.note('folders or lists to test with that are not there, left out', where)
    found = {split: _listed(sources, tally, encoding) for split, sources in layout.splits.items()}
    paths = [path for images in found.values() for path, _ in images]
    if not paths:
        places = ', '.join(f"'{path}'" for sources in layout.splits.values() for path in sources)
        raise UserInputError(f'no image in {places}: see where the images lie')
    folder = str(layout.root)
    root = os.path.abspath(folder)
    if any(not os.path.abspath(path).startswith(root + os.sep) for path in paths):
        folder = root = os.path.commonpath([root, *map(os.path.abspath, paths)])
    splits, labelled = {}, 0
    for split, images in found.items():
        entries = splits[split] = []
        for path, where in images:
            label = label_path(path)
            boxes = read_label(label, layout, encoding) if label else []
            labelled += label is not None
            if (size := image_size(str(path))) is None:
                there = os.path.isfile(path)
                tally.leave_out('not readable' if there else 'not there', where)
                tally.drop(UNREADABLE if there else NO_IMAGE, where, len(boxes))
            else:
                name = os.path.relpath(os.path.abspath(path), root).replace(os.sep, '/')
                entries.append(Entry(name, *size, [_in_pixels(box, *size) for box in boxes]))
                if label is None:
                    tally.note('images without a label file, taken as without objects', where)
            advance(1)
    if not labelled:
        there = next(filter(os.path.isfile, paths), None)
        if there is None:
            some = f'none of {count_of(len(paths), "listed image")} is there'
            raise UserInputError(f'{some}: correct the paths ({"; ".join(tally.lines()[:2])})')
        place = label_places(there)[0]
        raise UserInputError(f"no image has a label file: that of '{there}' should be '{place}'")
    return BoxSet(folder, splits, list(layout.names))


def label_places(path: Path) -> list[Path]:
    """Where an image's label may lie: ``labels`` in place of the last ``images``, or beside."""
    beside = Path(f'{os.path.splitext(path)[0]}.txt')
    parts = list(beside.parts)
    places = [beside]
    for i in range(len(parts) - 2, -1, -1):
        if parts[i].lower() == 'images':
            places.insert(0, Path(*parts[:i], 'labels', *parts[i + 1 :]))
            break
    return places


def label_path(path: Path) -> Path | None:
    """The label file of an image, None if there is none."""
    return next((place for place in label_places(path) if os.path.isfile(place)), None)


def read_label(path: str | os.PathLike, layout: YoloLayout, encoding: str = 'utf-8') -> list[Box]:
    """The boxes of a label file, in parts of the image. An empty file has none.

    Raises:
        UserInputError: with the line that is not a box or an outline, or has an unknown class.
    """
    boxes = []
    for number, line in enumerate(read_text(path, encoding).split('\n'), 1):
        if words := line.split():
            where = f"line {number} of '{path}'"
            values = [parse_number(word, where) for word in words]
            corners = _corners(values[1:], where, layout.keypoints)
            boxes.append(Box(_class_name(words[0], values[0], where, layout), corners, where))
    return boxes


def _corners(values: Sequence[float], where: str, keypoints: int) -> Corners:
    count = len(values)
    if keypoints and count == 4 + keypoints:
        values, count = values[:4], 4
    if count != 4 and (count < 6 or count % 2):
        what = 'a box with a score, of a detector' if count == 5 else f'{count + 1} numbers'
        raise UserInputError(
            f'{where} has {what}; a box is class, x, y, width, height, and an outline the class '
            'and at least three points: correct the line'
        )
    if max(map(abs, values)) > RELATIVE_LIMIT:
        raise UserInputError(
            f"{where} has {max(values, key=abs):g}; numbers of YOLO's labels are parts of the "
            'image, 0 to 1: divide pixels by its width and height'
        )
    if count == 4:
        return center_to_corners(values)
    xs, ys = values[::2], values[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def _class_name(word: str, value: float, where: str, layout: YoloLayout) -> str:
    if value != int(value) or not 0 <= value < len(layout.names):
        raise UserInputError(
            f"{where} has the class {shorten(word)}, but '{layout.source}' names "
            f'{len(layout.names)}, 0 to {len(layout.names) - 1}: take the names that belong to '
            'these labels, or correct the line'
        )
    return layout.names[int(value)]


def _in_pixels(box: Box, width: int, height: int) -> Box:
    return box._replace(corners=relative_to_pixels(box.corners, width, height))


def _listed(sources: list[Path], tally: Tally, encoding: str) -> list[tuple[Path, str]]:
    """The images of a split, each once, and where each stands, for messages."""
    found: dict[str, tuple[Path, str]] = {}
    for source in sources:
        for path, where in _images_of(source, tally, encoding):
            place = os.path.abspath(path)  # lists mix relative and absolute paths
            if place in found:
                tally.note('images that are listed twice, taken once', where)
            found.setdefault(place, (path, where))
    return list(found.values())


def _images_of(source: Path, tally: Tally, encoding: str) -> Iterator[tuple[Path, str]]:
    if os.path.isdir(source):
        names = list_images(source)
        yield from ((source / name, f"'{source / name}'") for name in names)
        _count_orphans(source, names, tally)
    elif source.suffix.lower() == '.txt':
        for number, line in enumerate(read_text(source, encoding).split('\n'), 1):
            if (name := clean_path(line)).strip('/'):
                where = f"line {number} of '{source}'"
                yield _locate(name, source.parent), f'{shorten(name)} in {where}'
    else:
        raise UserInputError(
            f"'{source}' is neither a folder of images nor a list of them (.txt): correct the path"
        )


def _locate(name: str, folder: Path) -> Path:
    """The file that a list means: its path as it is, or the longest end of it in the folder."""
    parts = name.strip('/').split('/')
    places = [Path(name)] if name.startswith('/') else []
    places += [folder.joinpath(*parts[i:]) for i in range(len(parts))]
    # darknet's lists count from the folder above.
    places += [folder.parent.joinpath(*parts), Path(name)]
    return next((place for place in places if os.path.isfile(place)), places[0])


def _count_orphans(source: Path, names: list[str], tally: Tally) -> None:
    """Says which labels have no image, of a folder of images."""
    folder = label_places(source / 'x.jpg')[0].parent
    stems = {os.path.splitext(name)[0] for name in names}
    for path in sorted(folder.rglob('*.txt')):
        name = path.relative_to(folder).with_suffix('').as_posix()
        is_label = name not in stems and path.name not in NAME_FILES + ('train.txt', 'val.txt')
        if is_label and not (folder == source and not _looks_like_label(path)):
            tally.leave_out('not there', f"of '{path}'")
            tally.drop(NO_IMAGE, f"'{path}'", sum(1 for _ in filter(str.strip, _lines(path))))


def _looks_like_label(path: Path) -> bool:
    return all(len(line.split()) >= 5 for line in _lines(path) if line.strip())


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors='replace').splitlines()
    except OSError:
        return []
