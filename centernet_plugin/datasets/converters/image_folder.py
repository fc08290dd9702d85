"""A folder of images, and which of them an annotation means."""

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import cv2

from ...errors import UserInputError
from ..inspection.files import read_size
from .boxes import NO_IMAGE, UNREADABLE, Entry
from .tally import Tally
from .text_files import clean_path, shorten

SUFFIXES = frozenset(
    ('.jpg', '.jpeg', '.jpe', '.jp2', '.png', '.bmp', '.dib', '.tif', '.tiff', '.webp', '.ppm')
    + ('.pgm', '.pbm', '.pnm')
)


class ImageFolder:
    """The images below a folder, found by what annotations call them.

    Annotations name images with the folders of another machine, with backslashes, in other capitals
    or without suffix. The longest end of such a name that is an image here is meant.

    Args:
        root: the folder; images in folders below it count as well.

    Attributes:
        names: of all images, relative to the root, with ``/``, sorted.

    Raises:
        UserInputError: there is no such folder, or no image in it.
    """

    def __init__(self, root: str | os.PathLike) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise UserInputError(f"the folder of images '{root}' does not exist")
        self.names = list_images(self.root)
        if not self.names:
            raise UserInputError(
                f"no image in '{root}', such as .jpg or .png: name the folder that has them"
            )
        self._exact = set(self.names)
        self._folded, self._stems = defaultdict(list), defaultdict(list)
        for name in self.names:
            parts = name.lower().split('/')
            for i in range(len(parts)):
                end = '/'.join(parts[i:])
                self._folded[end].append(name)
                self._stems[os.path.splitext(end)[0]].append(name)
        self._found: dict[str, str | None] = {}
        self._meant: dict[str, tuple[str, str]] = {}  # image -> what called it so
        self._sizes: dict[str, tuple[int, int] | None] = {}

    def find(self, name: str, where: str) -> str | None:
        """The image that an annotation calls ``name``, None if it is not here.

        Args:
            name: with or without folders and suffix.
            where: file and line, for the message.

        Raises:
            UserInputError: several images could be meant, or two names mean the same image.
        """
        if name in self._found:
            return self._found[name]
        written, name = name, clean_path(name)
        found = self._found[written] = self._lookup(name, where) if name else None
        if found is None:
            return None
        other, place = self._meant.setdefault(found, (name.lower(), where))
        if other != name.lower() and not _same_place(other, name.lower(), found.lower()):
            raise UserInputError(
                f"{where} names {shorten(name)} and {place} {shorten(other)}, but '{self.root}' "
                f"has only '{found}': name the folder that has both"
            )
        return found

    def size(self, name: str) -> tuple[int, int] | None:
        """(width, height) of an image as it is loaded, None if it is not readable."""
        if name not in self._sizes:
            self._sizes[name] = image_size(str(self.root / name))
        return self._sizes[name]

    def _lookup(self, name: str, where: str) -> str | None:
        if name in self._exact:
            return name
        parts = name.split('/')
        for i in range(len(parts)):
            end = '/'.join(parts[i:])
            if end in self._exact:
                return end
            for index in (self._folded, self._stems):
                # Of a name that gives folders, either these lie here or the image at the top does.
                found = [
                    other
                    for other in index.get(end.lower(), ())
                    if i == 0 or other.count('/') == end.count('/')
                ]
                exact = [other for other in found if f'/{other}'.endswith(f'/{end}')]
                found = exact if len(exact) == 1 else found
                if len(found) > 1:
                    raise UserInputError(
                        f"{where} names {shorten(name)}, which may be '{found[0]}' or "
                        f"'{found[1]}' in '{self.root}': write the folder too"
                    )
                if found:
                    return found[0]
        return None


def measured(images: ImageFolder, name: str | None, written: str, tally: Tally, boxes: int):
    """The size of an image that was looked for; says in ``tally`` why there is none.

    Args:
        images: the folder.
        name: what :meth:`ImageFolder.find` gave.
        written: what the annotations call it, and where, for the message.
        tally: counts the image, and its boxes.
        boxes: number of boxes that are lost with it.

    Returns:
        (width, height), or None.
    """
    size = images.size(name) if name else None
    if size is None:
        tally.leave_out('not readable' if name else 'not there', written)
        tally.drop(UNREADABLE if name else NO_IMAGE, written, boxes)
    return size


def without_objects(images: ImageFolder, names: Iterable[str], tally: Tally) -> list[Entry]:
    """Entries of images that nothing is annotated in; those not readable count in ``tally``."""
    sizes = {name: measured(images, name, f"'{name}'", tally, 0) for name in names}
    return [Entry(name, *size) for name, size in sizes.items() if size]


def image_size(path: str) -> tuple[int, int] | None:
    """(width, height) as the image is loaded, EXIF applied; None if it is not readable."""
    try:
        found = read_size(path)
    except (OSError, cv2.error):
        return None
    return found[0] if found and min(found[0]) > 0 else None


def list_images(root: Path) -> list[str]:
    """Names of the images below ``root``, relative to it, with ``/``, sorted."""
    found, seen = [], set()
    for folder, folders, files in os.walk(root, followlinks=True):
        if (place := os.path.realpath(folder)) in seen:  # a link to a folder above
            folders.clear()
            continue
        seen.add(place)
        folders[:] = [name for name in folders if not name.startswith('.')]
        for name in files:
            if not name.startswith('.') and os.path.splitext(name)[1].lower() in SUFFIXES:
                found.append(Path(folder, name).relative_to(root).as_posix())
    return sorted(found)


def _same_place(a: str, b: str, found: str) -> bool:
    """Whether two names differ only in folders above the root, or by leaving some out.

    One has to be the end of the other, suffixes aside: ``x/a.jpg`` and ``a.jpg`` are,
    ``train/a.jpg`` and ``val/a.jpg`` are not.
    """
    a, b = (f'/{name.removesuffix(os.path.splitext(found)[1])}' for name in (a, b))
    return a.endswith(b) or b.endswith(a)
