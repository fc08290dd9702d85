"""Boxes with names, as every source of annotations is read, and as what their numbers count.

Everywhere here a box is x1, y1, x2, y2 in pixels of the image as it is loaded. They are edges: an
image goes from 0 to its width, and the box of its first pixel is 0, 0, 1, 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .tally import Tally

Corners = tuple[float, float, float, float]  # x1, y1, x2, y2

# What the corners of a file mean.
PIXELS = {
    'edges': 'edges, counted from 0: a box from 0 to 10 is 10 pixels wide',
    'inclusive': 'first and last pixel, counted from 0: from 0 to 9 is 10 pixels wide',
    'voc': 'first and last pixel, counted from 1: from 1 to 10 is 10 pixels wide',
}
RELATIVE_LIMIT = 2.0  # a coordinate beyond it is no part of an image
LEAST = 1e-6  # pixels of extent; less is rounding
NO_EXTENT = 'without extent'
SWAPPED = 'whose second corner lies before the first'
OUTSIDE = 'outside of the image'
UNKNOWN_CLASS = 'of a class that --classes does not name'
NO_IMAGE = 'of an image that is not there'
UNREADABLE = 'of an image that is not readable'


class Box(NamedTuple):
    """An object as its file has it.

    Attributes:
        label: name of its class.
        corners: in pixels, as edges; possibly without extent or beyond the image.
        where: file and line, for messages.
        ignored: whether neither training nor evaluation should count it (VOC's difficult ones);
            written as ``iscrowd``.
    """

    label: str
    corners: Corners
    where: str
    ignored: bool = False


@dataclass
class Entry:
    """An image and its objects.

    Attributes:
        file_name: below the folder of the images, with ``/``.
        width, height: in pixels.
        boxes: its objects, none for an image without.
    """

    file_name: str
    width: int
    height: int
    boxes: list[Box] = field(default_factory=list)


@dataclass
class BoxSet:
    """What a converter has read.

    Attributes:
        folder: what file names are relative to.
        splits: the images of each split, by its name. No image is twice in one.
        names: classes in the source's own order, None where it has no order.
    """

    folder: str
    splits: dict[str, list[Entry]]
    names: list[str] | None = None


def corners_to_edges(corners: Corners, pixels: str) -> Corners:
    """Edges from corners that count as ``pixels`` says.

    Corners that coincide stay without extent: they are slips of the mouse more often than objects
    of one pixel.

    Args:
        corners: x1, y1, x2, y2 as in the file.
        pixels: a key of ``PIXELS``.
    """
    x1, y1, x2, y2 = corners
    first = 1 if pixels == 'voc' else 0
    last = 0 if pixels == 'edges' else 1
    x1, y1, x2, y2 = x1 - first, y1 - first, x2 - first, y2 - first
    return x1, y1, x2 + last * (x2 > x1), y2 + last * (y2 > y1)


def center_to_corners(values: Sequence[float]) -> Corners:
    """Corners from the centre and the size: x, y, width, height."""
    x, y, w, h = values
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


def relative_to_pixels(corners: Corners, width: int, height: int) -> Corners:
    """Pixels from parts of the image, 0 to 1, to a thousandth of a pixel.

    Files have six decimals of a part, which do not meet whole pixels exactly.
    """
    return tuple(
        round(value * side, 3) for value, side in zip(corners, (width, height) * 2, strict=True)
    )


def inside(box: Box, width: int, height: int, tally: Tally) -> Corners | None:
    """The corners of what the image has of a box; None, and a word in ``tally``, for nothing."""
    x1, y1, x2, y2 = box.corners
    cut = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
    if x2 < x1 or y2 < y1:
        tally.drop(SWAPPED, box.where)
    elif min(x2 - x1, y2 - y1) < LEAST:
        tally.drop(NO_EXTENT, box.where)
    elif min(cut[2] - cut[0], cut[3] - cut[1]) < LEAST:
        tally.drop(OUTSIDE, box.where)
    else:
        if cut != box.corners:
            tally.note('boxes that reach over the border, cut there', box.where)
        return cut
    return None
