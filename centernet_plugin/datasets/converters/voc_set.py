"""Pascal VOC's layout: an XML file for every image, and lists of names for the splits."""

import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import UserInputError
from .boxes import Box, BoxSet, Entry, corners_to_edges
from .image_folder import ImageFolder, measured
from .tally import Tally
from .text_files import clean_path, parse_number, read_text, shorten

CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')
LARGEST_SIDE = 1_000_000  # pixels


@dataclass
class VocLayout:
    """Where what lies.

    Attributes:
        root: folder of all of it.
        annotations: folder of the XML files.
        images: the images; None: there is no folder of them, and the XML files are believed.
        lists: split -> names of its images, without suffix, and the line of each.
    """

    root: Path
    annotations: Path
    images: ImageFolder | None
    lists: dict[str, list[tuple[str, str]]]


def find_voc(
    root: str | os.PathLike,
    *,
    images: str | os.PathLike | None = None,
    splits: Sequence[str] | None = None,
) -> VocLayout:
    """Where XML files, images and lists lie: VOC's own folders, or all files in one folder.

    Args:
        root: with ``Annotations/`` and ``ImageSets/Main/``, or with XML files.
        images: folder of the images; None: ``JPEGImages/`` or ``images/``, else where the XML files
            are.
        splits: lists of ``ImageSets/Main`` to convert; None: all but those of a single class, or
            one split ``all`` where there are no lists.

    Raises:
        UserInputError: no such folder, no XML file, or no such list.
    """
    root = Path(root)
    if not os.path.isdir(root):
        raise UserInputError(f"the folder '{root}' does not exist")
    folders = (root / name for name in ('Annotations', 'annotations'))
    annotations = next(filter(os.path.isdir, folders), root)
    names = sorted(path.stem for path in _xml_files(annotations))
    if not names:
        raise UserInputError(f"no XML file in '{annotations}': name the folder of Annotations/")
    lists_folder = root / 'ImageSets' / 'Main'
    paths = sorted(lists_folder.glob('*.txt'))
    lists = {}
    for split in splits or [path.stem for path in paths]:
        listed = _read_list(lists_folder / f'{split}.txt', [path.stem for path in paths])
        if listed and all(len(words) == 2 for words, _ in listed) and not splits:
            continue  # says of every image whether it has objects of one class
        lists[split] = [(words[0], where) for words, where in listed]
    if not lists and paths:
        raise UserInputError(
            f"'{lists_folder}' has only lists of single classes: say which to take, as --splits"
            f' {paths[0].stem}'
        )
    if not lists:
        lists['all'] = [(name, f"'{annotations / name}.xml'") for name in names]
    if images is None:
        folders = (root / name for name in ('JPEGImages', 'images', 'Images'))
        images = next(filter(os.path.isdir, folders), None)
        found = ImageFolder(images) if images else _images_among(annotations)
    else:
        found = ImageFolder(images)
    return VocLayout(root, annotations, found, lists)


def read_voc(
    layout: VocLayout,
    tally: Tally,
    *,
    pixels: str = 'voc',
    advance: Callable[[int], None] = lambda steps: None,
) -> BoxSet:
    """The boxes of every split.

    Where images are there, one that is missing is left out, and one of another size than its XML
    file says is counted: its boxes may be those of another picture.

    Args:
        layout: see :func:`find_voc`.
        tally: counts what is left out.
        pixels: what corners count, a key of ``PIXELS``.
        advance: called with the number of images that are done.

    Raises:
        UserInputError: an XML file that is not there or not as it should be; names it and the
            object.
    """
    xml_files = {path.stem: path for path in _xml_files(layout.annotations)}
    read: dict[str, Entry | None] = {}
    splits = {}
    for split, names in layout.lists.items():
        entries: dict[str, Entry] = {}
        for name, where in names:
            if name not in xml_files:
                raise UserInputError(
                    f"{where} names {shorten(name)}, which has no .xml in '{layout.annotations}': "
                    'add it, or take the name off the list'
                )
            if name not in read:
                read[name] = _entry(xml_files[name], layout.images, pixels, tally)
            if name in entries:
                tally.note('images that are listed twice, taken once', where)
            elif read[name]:
                entries[name] = read[name]
            advance(1)
        splits[split] = list(entries.values())
    rest = len(xml_files.keys() - read.keys())
    if rest:
        first = min(xml_files.keys() - read.keys())
        tally.note('XML files in none of the lists, not converted', f"'{first}.xml'", rest)
    if layout.images is None:
        tally.note(
            'folders of images that were not found, so nobody looked whether the images are '
            'there; --images names one',
            f"'{layout.root}'",
        )
    folder = layout.images.root if layout.images else layout.root / 'JPEGImages'
    return BoxSet(str(folder), splits)


def _entry(path: Path, images: ImageFolder | None, pixels: str, tally: Tally) -> Entry | None:
    name, size, boxes = parse_xml(path, pixels, tally)
    if images is None:
        file_name, found = f'{path.stem}{os.path.splitext(name)[1] or ".jpg"}', None
    else:
        # Files are renamed more often than what is written in them.
        where = f"'{path}'"
        suffix = os.path.splitext(name)[1]
        file_name = images.find(f'{path.stem}{suffix}', where) if suffix else None
        file_name = file_name or images.find(path.stem, where) or images.find(name, where)
        written = f"{shorten(name or path.stem)} of '{path}'"
        if (found := measured(images, file_name, written, tally, len(boxes))) is None:
            return None
        if size and size != found:
            tally.note(
                'images of another size than their XML file says, whose boxes may be those of '
                'another or a resized image',
                '{} is {} x {}, annotated {} x {}'.format(file_name, *found, *size),
            )
    size = size or found
    if size is None:
        raise UserInputError(
            f"'{path}' has no size with width and height, and there is no image to measure: name "
            'their folder, as --images FOLDER'
        )
    return Entry(file_name, *size, boxes)


def parse_xml(
    path: str | os.PathLike, pixels: str, tally: Tally
) -> tuple[str, tuple[int, int] | None, list[Box]]:
    """File name ('' if not given), (width, height) (None if not given) and objects of a file.

    Args:
        path: of the XML file.
        pixels: what corners count, a key of ``PIXELS``.
        tally: is told of what does not look as ``pixels`` says.

    Raises:
        UserInputError: not XML, or an object without name or box.
    """
    try:
        tree = ElementTree.parse(path).getroot()
    except OSError as error:
        raise UserInputError(f"cannot read '{path}': {error}") from error
    except ElementTree.ParseError as error:
        raise UserInputError(
            f"line {error.position[0]} of '{path}' is not XML ({error}): repair it"
        ) from error
    except (LookupError, ValueError) as error:  # of the encoding that the file names
        raise UserInputError(f"line 1 of '{path}': {error}; save the file as UTF-8") from error
    if tree.tag != 'annotation' and tree.find('object') is None:
        raise UserInputError(
            f"'{path}' has <{tree.tag[:40]}> in place of <annotation>: it is not of VOC's format"
        )
    name = clean_path(tree.findtext('filename') or '').split('/')[-1]
    boxes = []
    for number, item in enumerate(tree.iter('object'), 1):
        where = f"object {number} of '{path}'"
        label = (item.findtext('name') or '').strip()
        words = [item.findtext(f'bndbox/{key}') for key in CORNERS]
        if not label or None in words:
            what = 'name' if not label else CORNERS[words.index(None)]
            raise UserInputError(f'{where} has no {what}: complete or remove it')
        corners = tuple(parse_number(word, where) for word in words)
        if pixels == 'voc' and min(corners[:2]) == 0:
            tally.note(
                'boxes that begin at pixel 0, though VOC counts from 1; if the files count from 0, '
                'say --pixels edges',
                where,
            )
        difficult = (item.findtext('difficult') or '0').strip()
        ignored = bool(parse_number(difficult or '0', where))
        boxes.append(Box(label, corners_to_edges(corners, pixels), where, ignored))
    return name, _size(tree, path), boxes


def _size(tree: ElementTree.Element, path) -> tuple[int, int] | None:
    words = [(tree.findtext(f'size/{side}') or '').strip() for side in ('width', 'height')]
    if not all(words):
        return None
    where = f"size of '{path}'"
    width, height = (parse_number(word, where) for word in words)
    if width == 0 or height == 0:
        return None
    if any(side < 0 or side > LARGEST_SIDE or side != int(side) for side in (width, height)):
        raise UserInputError(f'{where} is {width:g} x {height:g}, which no image has: correct it')
    return int(width), int(height)


def _read_list(path: Path, names: list[str]) -> list[tuple[list[str], str]]:
    """Words of every line, and where they stand."""
    if not os.path.isfile(path):
        some = f'; there are {", ".join(names[:10])}' if names else ''
        raise UserInputError(f"there is no list '{path}'{some}")
    lines = enumerate(read_text(path).split('\n'), 1)
    return [(words, f"line {i} of '{path}'") for i, line in lines if (words := line.split())]


def _xml_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() == '.xml' and p.is_file())


def _images_among(folder: Path) -> ImageFolder | None:
    try:
        return ImageFolder(folder)
    except UserInputError:
        return None
