"""Where images, labels and class names of a YOLO set lie: folders, lists, or its data.yaml."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from ...errors import UserInputError
from .text_files import clean_path, read_names, read_text, shorten, unique_names

YAML_FILES = ('data.yaml', 'data.yml', 'dataset.yaml', 'dataset.yml')
NAME_FILES = ('classes.txt', 'obj.names', 'classes.names', 'labels/classes.txt', 'names.txt')
# What folders, lists and keys are called -> the split.
SPLITS = dict(train='train', val='val', valid='val', validation='val', test='test')
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
        skipped: what ``data.yaml`` names for tests and is not there.
    """

    root: Path
    names: list[str]
    source: str
    splits: dict[str, list[Path]] = field(default_factory=dict)
    keypoints: int = 0
    skipped: list[str] = field(default_factory=list)


def find_yolo(
    root: str | os.PathLike, names: str | os.PathLike | None = None, encoding: str = 'utf-8'
) -> YoloLayout:
    """Where images and names lie.

    Looked for in this order: splits that a ``data.yaml`` names, of which ``test`` may be absent, as
    exports often leave it out; lists ``train.txt``, ``val.txt``,
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
    splits, skipped = _yaml_splits(data, data_file) if data_file else ({}, [])
    return YoloLayout(
        root=root,
        names=classes,
        source=str(source),
        splits=splits or _folder_splits(root),
        keypoints=_yaml_keypoints(data, data_file),
        skipped=skipped,
    )


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
    if 'names' in data:  # as written: YAML's 1.1 makes True of 'yes' and 8 of '010'
        data['names'] = yaml.load(text, yaml.BaseLoader).get('names')
    return data


def _yaml_names(data: dict, path: Path) -> list[str]:
    names = data['names']
    if isinstance(names, dict):
        if set(names) != set(map(str, range(len(names)))):
            raise UserInputError(
                f"the names of '{path}' are not numbered 0 to {len(names) - 1}: correct them"
            )
        names = [names[str(i)] for i in range(len(names))]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
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


def _yaml_splits(data: dict, path: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """``YoloLayout.splits`` and ``skipped``."""
    folder = path.parent
    base = data.get('path')
    bases = [folder / clean_path(base), Path(clean_path(base))] if isinstance(base, str) else []
    splits, skipped = {}, []
    for split in SPLITS:
        sources = data.get(split)
        sources = [sources] if isinstance(sources, str) else sources
        if not sources:
            continue
        if not isinstance(sources, list) or not all(isinstance(name, str) for name in sources):
            raise UserInputError(
                f"'{split}' of '{path}' is no path and no list of paths: correct it"
            )
        for name in sources:
            if place := _source(name, [*bases, folder]):
                splits.setdefault(SPLITS[split], []).append(place)
            elif split == 'test':
                skipped.append(f"{shorten(name)} of '{path}'")
            else:
                raise UserInputError(
                    f"'{path}' has {split}: {shorten(name)}, which is not in "
                    f"'{(bases or [folder])[0]}': correct 'path' or '{split}'"
                )
    return splits, skipped


def _source(name: str, bases: list[Path]) -> Path | None:
    """The folder or list that ``data.yaml`` means, None if it is not there."""
    name = clean_path(name)
    # Roboflow's files go a folder up too many.
    places = [base / part for base in bases for part in (name, name.removeprefix('../'))]
    return next(filter(os.path.exists, places), None)
