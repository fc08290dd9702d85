"""YOLO's layout: a text file beside every image, with a line ``class x y width height`` per box.

The numbers are parts of the image, x and y the middle of the box. A line with more points is the
outline of an object, of which the box is taken.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from ...errors import UserInputError
from ..inspection.finding import count_of
from .boxes import (
    NO_IMAGE,
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
from .text_files import clean_path, parse_number, read_names, read_text, shorten, unique_names

YAML_FILES = ('data.yaml', 'data.yml', 'dataset.yaml', 'dataset.yml')
NAME_FILES = ('classes.txt', 'obj.names', 'classes.names', 'labels/classes.txt', 'names.txt')
# What folders, lists and keys are called -> the split.
SPLITS = dict(train='train', val='val', valid='val', validation='val', test='test')
RELATIVE_LIMIT = 2.0  # a part of the image beyond it is none
LIMIT = 1 << 20  # bytes of a data.yaml, which has some names and paths


@dataclass
class YoloLayout:
    """Where what lies.

    Attributes:
        root: folder of all of it.
        names: of the classes, in the order of their numbers.
        source: file that names them.
        splits: split -> the folder, or the list, or several of them, that has its images.
        keypoints: numbers behind every box, which are of its joints.
    """

    root: Path
    names: list[str]
    source: str
    splits: dict[str, list[Path]] = field(default_factory=dict)
    keypoints: int = 0


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
    found = {
        split: _listed(split, sources, tally, encoding) for split, sources in layout.splits.items()
    }
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


def find_yolo(
    root: str | os.PathLike, names: str | os.PathLike | None = None, encoding: str = 'utf-8'
) -> YoloLayout:
    """Where images and names lie.

    Looked for in this order: splits that a ``data.yaml`` names; lists ``train.txt``, ``val.txt``,
    ``test.txt``; folders of these names below ``images/`` or with ``images/`` in them; everything.

    Args:
        root: folder, or its ``data.yaml``.
        names: file with the class names, ``data.yaml`` or one a line; None: looked for in the root.
        encoding: of the text files.

    Raises:
        UserInputError: no such folder, no names, or a file that is not as it should be.
    """
    root = Path(root)
    data_file = None
    if root.suffix.lower() in ('.yaml', '.yml') and not os.path.isdir(root):
        root, data_file = root.parent, root
    if not os.path.isdir(root):
        raise UserInputError(f"the folder '{root}' does not exist")
    data_file = data_file or _first_file(root, YAML_FILES)
    if names and Path(names).suffix.lower() in ('.yaml', '.yml'):
        data_file, names = Path(names), None
    data = _read_yaml(data_file, encoding) if data_file else {}
    name_file = Path(names) if names else None
    if 'names' not in data:
        name_file = name_file or _first_file(root, NAME_FILES)
    if name_file:
        classes, source = read_names(name_file, encoding), name_file
    elif 'names' in data:
        classes, source = _yaml_names(data, data_file), data_file
    else:
        raise UserInputError(
            f"'{root}' has no {', '.join((YAML_FILES[0], *NAME_FILES[:2]))} with the names of the "
            'classes: say where they are, as --names FILE'
        )
    return YoloLayout(
        root=root,
        names=classes,
        source=str(source),
        splits=(data_file and _yaml_splits(data, data_file)) or _folder_splits(root),
        keypoints=_yaml_keypoints(data, data_file),
    )


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


def _listed(split: str, sources: list[Path], tally: Tally, encoding: str) -> list[tuple[Path, str]]:
    """The images of a split, each once, and where each stands, for messages."""
    found: dict[Path, str] = {}
    for source in sources:
        for path, where in _images_of(source, tally, encoding):
            if path in found:
                tally.note('images that are listed twice, taken once', where)
            found.setdefault(path, where)
    return list(found.items())


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


def _folder_splits(root: Path) -> dict[str, list[Path]]:
    for pattern in ('{}.txt', 'images/{}', '{}/images', '{}'):
        splits = {}
        for name, split in SPLITS.items():
            source = root / pattern.format(name)
            if os.path.isfile(source) if source.suffix else os.path.isdir(source):
                splits.setdefault(split, []).append(source)
        if splits:
            return splits
    return {'all': [root / 'images' if os.path.isdir(root / 'images') else root]}


def _first_file(root: Path, names: Sequence[str]) -> Path | None:
    return next((root / name for name in names if os.path.isfile(root / name)), None)


def _read_yaml(path: Path, encoding: str) -> dict:
    text = read_text(path, encoding)
    if len(text) > LIMIT:
        raise UserInputError(f"'{path}' is too large for a list of names and paths: see what it is")
    try:
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserInputError(
            f"line {line} of '{path}' is not YAML ({error.problem}): correct it"
        ) from error
    except Exception as error:  # constructors of dates and tags raise what they like
        reason = str(error).split('\n')[0]
        raise UserInputError(f"'{path}' is not YAML ({reason}): correct it") from error
    if not isinstance(data, dict):
        raise UserInputError(f"'{path}' has no 'names:' and 'train:' as YOLO's data.yaml: add them")
    return data


def _yaml_names(data: dict, path: Path) -> list[str]:
    names = data['names']
    if isinstance(names, dict):
        if set(names) != set(range(len(names))):
            raise UserInputError(
                f"the names of '{path}' are not numbered 0 to {len(names) - 1}: correct them"
            )
        names = [names[i] for i in range(len(names))]
    if not isinstance(names, list) or not all(isinstance(name, str | int) for name in names):
        raise UserInputError(f"'names' of '{path}' is no list of names: write names: [cat, dog]")
    count = data.get('nc', len(names))
    if count != len(names):
        raise UserInputError(
            f"'{path}' says nc: {shorten(str(count))} and has {len(names)} names: correct one of "
            'them'
        )
    return unique_names(names, f"'{path}'")


def _yaml_keypoints(data: dict, path: Path | None) -> int:
    shape = data.get('kpt_shape')
    if shape is None:
        return 0
    if not (isinstance(shape, list) and len(shape) == 2 and all(type(n) is int for n in shape)):
        raise UserInputError(
            f"'kpt_shape' of '{path}' is no pair of numbers, as [17, 3]: correct it"
        )
    return shape[0] * shape[1]


def _yaml_splits(data: dict, path: Path) -> dict[str, list[Path]]:
    folder = path.parent
    base = data.get('path')
    bases = [folder / clean_path(base), Path(clean_path(base))] if isinstance(base, str) else []
    splits = {}
    for split in SPLITS:
        sources = data.get(split)
        sources = [sources] if isinstance(sources, str) else sources
        if not sources:
            continue
        if not isinstance(sources, list) or not all(isinstance(name, str) for name in sources):
            raise UserInputError(
                f"'{split}' of '{path}' is no path and no list of paths: correct it"
            )
        found = [_source(name, [*bases, folder], split, path) for name in sources]
        splits.setdefault(SPLITS[split], []).extend(found)
    return splits


def _source(name: str, bases: list[Path], split: str, path: Path) -> Path:
    """The folder or list that ``data.yaml`` means."""
    name = clean_path(name)
    # Roboflow's files go a folder up too many.
    places = [base / part for base in bases for part in (name, name.removeprefix('../'))]
    for place in places:
        if os.path.exists(place):
            return place
    raise UserInputError(
        f"'{path}' has {split}: {shorten(name)}, which is not in '{bases[0]}': correct 'path' or "
        f"'{split}'"
    )
