"""Pascal VOC's format: an XML file for every image, and lists of names for the splits."""

import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Container
from pathlib import Path

from ...errors import UserInputError
from .boxes import Box, BoxSet, Entry, corners_to_edges
from .image_folder import ImageFolder, measured, without_objects
from .tally import Tally
from .text_files import clean_path, parse_number, shorten
from .voc_layout import VocLayout

CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')
LARGEST_SIDE = 1_000_000  # pixels


def read_voc(
    layout: VocLayout,
    tally: Tally,
    *,
    pixels: str = 'voc',
    keep_unlisted: bool = False,
    advance: Callable[[int], None] = lambda steps: None,
) -> BoxSet:
    """The boxes of every split, or of one called ``all`` where there are no lists.

    Where images are there, one that is missing is left out, and one of another size than its XML
    file says is counted: its boxes may be those of another picture.

    Args:
        layout: see :func:`find_voc`.
        tally: counts what is left out.
        pixels: what corners count, a key of ``PIXELS``.
        keep_unlisted: whether images without an XML file are images without objects: those that
            the lists name, or all where there are no lists.
        advance: called with the number of images that are done.

    Raises:
        UserInputError: an XML file that is not there or not as it should be, or of an image that
            another has; names it and the object.
    """
    everything = dict(all=[(name, f"'{path}'") for name, path in layout.xml_files.items()])
    read: dict[str, Entry | None] = {}
    owners: dict[str, str] = {}  # image -> what names it
    splits = {}
    for split, names in (layout.lists or everything).items():
        entries: dict[str, Entry] = {}
        for name, where in names:
            if name not in read:
                entry = read[name] = _read(name, where, layout, pixels, keep_unlisted, tally)
                if entry and (other := owners.setdefault(entry.file_name, name)) != name:
                    raise UserInputError(
                        f'{where}: {shorten(name)} and {shorten(other)} both mean the image '
                        f"'{entry.file_name}': remove one, or correct its <filename>"
                    )
            if name in entries:
                tally.note('images that are listed twice, taken once', where)
            elif read[name]:
                entries[name] = read[name]
            advance(1)
        splits[split] = list(entries.values())
    if rest := layout.xml_files.keys() - read.keys():
        tally.note('XML files in none of the lists, not converted', f"'{min(rest)}.xml'", len(rest))
    for name in layout.skipped:
        tally.note('lists of a single class, not converted; --splits takes one', name)
    if layout.images is None:
        tally.note(
            'folders of images that were not found, so nobody looked whether the images are '
            'there; --images names one',
            f"'{layout.root}'",
        )
    elif bare := _without_xml(layout, owners):
        if keep_unlisted and not layout.lists:
            splits['all'] += without_objects(layout.images, bare, tally)
        else:
            what = (
                'images with neither an XML file nor a place in a list, left out'
                if layout.lists
                else 'images without an XML file, left out; --keep-unlisted takes them as images '
                'without objects'
            )
            tally.note(what, f"'{bare[0]}'", len(bare))
    folder = layout.images.root if layout.images else layout.root / 'JPEGImages'
    return BoxSet(str(folder), splits)


def _read(
    name: str, where: str, layout: VocLayout, pixels: str, keep_unlisted: bool, tally: Tally
) -> Entry | None:
    """The image of a name, None if it is left out."""
    if name in layout.xml_files:
        return _entry(layout.xml_files[name], layout.images, pixels, tally)
    found = layout.images.find(name, where) if layout.images else None
    if keep_unlisted and found:
        return next(iter(without_objects(layout.images, [found], tally)), None)
    kept = ', or keep its image as one without objects by --keep-unlisted' if found else ''
    raise UserInputError(
        f"{where} names {shorten(name)}, which has no .xml in '{layout.annotations}': add it, or "
        f'take the name off the list{kept}'
    )


def _without_xml(layout: VocLayout, taken: Container[str]) -> list[str]:
    """Images that neither an XML file nor a list names."""
    stems = {name.lower() for name in layout.xml_files}
    return [
        name
        for name in layout.images.names
        if name not in taken and os.path.splitext(os.path.basename(name))[0].lower() not in stems
    ]


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
