"""Where XML files, images and lists of a set in Pascal VOC's layout lie."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import UserInputError
from .image_folder import ImageFolder
from .text_files import read_text, shorten

# Of lists of one class: an image, and whether it has none (-1), only difficult ones (0), or others.
CLASS_LINE = re.compile(r'(\S.*?)\s+(-1|0|1)')
Lines = list[tuple[str, str]]


@dataclass
class VocLayout:
    """Where what lies.

    Attributes:
        root: folder of all of it.
        annotations: folder of the XML files.
        xml_files: by the names of their images, without suffix.
        images: the images; None: there is no folder of them, and the XML files are believed.
        lists: split -> names of its images, without suffix, and where each stands; empty if there
            are no lists.
        skipped: names of the lists that were left out as they are of one class.
    """

    root: Path
    annotations: Path
    xml_files: dict[str, Path]
    images: ImageFolder | None
    lists: dict[str, Lines]
    skipped: list[str] = field(default_factory=list)


def find_voc(
    root: str | os.PathLike,
    *,
    images: str | os.PathLike | None = None,
    splits: Sequence[str] | None = None,
    encoding: str = 'utf-8',
) -> VocLayout:
    """Where XML files, images and lists lie: VOC's own folders, or all files in one folder.

    Args:
        root: with ``Annotations/`` and ``ImageSets/Main/``, or with XML files.
        images: folder of the images; None: ``JPEGImages/`` or ``images/``, else where the XML files
            are.
        splits: lists of ``ImageSets/Main`` to convert; None: all but those of a single class.
        encoding: of the lists; XML files name their own.

    Raises:
        UserInputError: no such folder, no XML file, or no such list.
    """
    root = Path(root)
    if not os.path.isdir(root):
        raise UserInputError(f"the folder '{root}' does not exist")
    folders = (root / name for name in ('Annotations', 'annotations'))
    annotations = next(filter(os.path.isdir, folders), root)
    files = (p for p in annotations.iterdir() if p.suffix.lower() == '.xml' and p.is_file())
    xml_files = {path.stem: path for path in sorted(files)}
    if not xml_files:
        raise UserInputError(f"no XML file in '{annotations}': name the folder of Annotations/")
    lists, skipped = _read_lists(root / 'ImageSets' / 'Main', splits, xml_files.keys(), encoding)
    if images is None:
        folders = (root / name for name in ('JPEGImages', 'images', 'Images'))
        images = next(filter(os.path.isdir, folders), None)
        found = ImageFolder(images) if images else _images_among(annotations)
    else:
        found = ImageFolder(images)
    return VocLayout(root, annotations, xml_files, found, lists, skipped)


def _read_lists(
    folder: Path, splits: Sequence[str] | None, known: set[str], encoding: str
) -> tuple[dict[str, Lines], list[str]]:
    """``VocLayout.lists`` and ``skipped``; see :func:`find_voc`."""
    there = [path.stem for path in sorted(folder.glob('*.txt'))]
    lists, skipped = {}, []
    for split in splits or there:
        path = folder / f'{split}.txt'
        if not os.path.isfile(path):
            some = f'; there are {", ".join(map(shorten, there[:10]))}' if there else ''
            raise UserInputError(f"there is no list '{path}'{some}")
        numbered = enumerate(read_text(path, encoding).split('\n'), 1)
        lines = [(line.strip(), f"line {i} of '{path}'") for i, line in numbered if line.strip()]
        of_class = _of_one_class(lines, known)
        if of_class and not splits:
            skipped.append(f"'{path.name}'")
        else:
            lists[split] = of_class or lines
    if skipped and not lists:
        raise UserInputError(
            f"'{folder}' has only lists of single classes: say which to take, as --splits "
            f'{shorten(there[0])}'
        )
    return lists, skipped


def _of_one_class(lines: Lines, known: set[str]) -> Lines | None:
    """The images of a list that says of each whether it has objects of one class, else None.

    A name with a blank, such as ``IMG 1``, looks alike: the XML files say which it is.
    """
    pairs = [CLASS_LINE.fullmatch(line) for line, _ in lines]
    if not all(pairs) or any(line in known for line, _ in lines):
        return None
    if not any(pair[1] in known for pair in pairs):
        return None
    return [(pair[1], where) for pair, (_, where) in zip(pairs, lines, strict=True)]


def _images_among(folder: Path) -> ImageFolder | None:
    try:
        return ImageFolder(folder)
    except UserInputError:
        return None
