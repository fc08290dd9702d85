"""The image files: there, readable, and of the size that the annotations say."""

import hashlib
import os.path as osp
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from .finding import Finding, count_of

ORIENTATION = 274  # tag of EXIF
TAIL = 64  # bytes; the end marks stand in them, a little padding behind them allowed
END_MARKS = {'JPEG': b'\xff\xd9', 'PNG': b'IEND'}


@dataclass
class FileReport:
    """What is wrong with which file; images by index.

    Attributes:
        checked: number of files.
        missing: not there.
        unreadable: no image, or one that breaks off.
        sizes: (width, height) as they are read, where the annotations say another.
        turned: of ``sizes``, those that EXIF turns when they are read.
        same: groups of files with the same content, if that was looked at.
    """

    checked: int = 0
    missing: list[int] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)
    turned: list[int] = field(default_factory=list)
    same: list[list[int]] = field(default_factory=list)


def check_files(
    paths: Sequence[str],
    sizes: np.ndarray,
    *,
    full: bool = False,
    use_exif: bool = True,
    advance: Callable[[], None] = lambda: None,
) -> FileReport:
    """Open every file once.

    Args:
        paths: image files on this machine.
        sizes: (width, height) that each should have, 0 for not known. (I, 2)
        full: decode every image and compare their contents; else only headers are read, and what
            does not end as its format should is decoded.
        use_exif: whether images are turned as EXIF says when they are loaded, as mmcv does by
            default.
        advance: called after each file.
    """
    report, contents = FileReport(checked=len(paths)), defaultdict(list)
    for i, (path, expected) in enumerate(zip(paths, sizes, strict=True)):
        if not osp.isfile(path):
            report.missing.append(i)
        elif (found := read_size(path, full=full, use_exif=use_exif)) is None:
            report.unreadable.append(i)
        else:
            size, turned = found
            if (expected > 0).all() and size != tuple(expected):
                report.sizes[i] = size
                if turned and size[::-1] == tuple(expected):
                    report.turned.append(i)
            if full:
                contents[hashlib.md5(Path(path).read_bytes()).digest()].append(i)
        advance()
    # A file that is listed twice is another matter.
    report.same = [group for group in contents.values() if len({paths[i] for i in group}) > 1]
    return report


def read_size(
    path: str, *, full: bool = False, use_exif: bool = True
) -> tuple[tuple[int, int], bool] | None:
    """(width, height) as loaded, and whether EXIF swaps them; None if it is not readable."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # very large images, odd metadata
            with Image.open(path) as image:
                size = image.size
                # Asked for what it has not got, PIL decodes a whole PNG in search of it.
                has_exif = use_exif and 'exif' in image.info
                turned = has_exif and image.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
                if turned and image.format not in END_MARKS:  # a matter of OpenCV's version
                    turned = cv2.imread(path).shape[1::-1] != size
                if full or not _ends(path, image.format):
                    image.load()
    except Exception:  # whatever PIL's readers raise; OpenCV reads some formats that PIL does not
        image = None if _is_cut(path) else cv2.imread(path)
        return None if image is None else ((image.shape[1], image.shape[0]), False)
    return (size[::-1] if turned else size), bool(turned)


def _ends(path: str, kind: str | None) -> bool:
    mark = END_MARKS.get(kind)
    return mark is None or mark in _tail(path)


def _is_cut(path: str) -> bool:
    """Whether it is a JPEG or PNG without its end; OpenCV fills what is missing with grey."""
    with open(path, 'rb') as file:
        start = file.read(4)
    kind = {b'\xff\xd8': 'JPEG', b'\x89P': 'PNG'}.get(start[:2])
    return not _ends(path, kind)


def _tail(path: str) -> bytes:
    with open(path, 'rb') as file:
        file.seek(max(0, osp.getsize(path) - TAIL))
        return file.read()


def file_findings(report: FileReport, paths: Sequence[str], sizes: np.ndarray) -> list[Finding]:
    """What :func:`check_files` found, in sentences."""
    findings = []
    if report.missing:
        everything = len(report.missing) == report.checked
        findings.append(
            Finding(
                'error',
                'missing-files',
                f'{count_of(len(report.missing), "image file")} of {report.checked:,} not there: '
                + (
                    "set data_prefix=dict(img=...) of the dataset to the images' folder."
                    if everything
                    else 'add them, or remove their entries from the annotations.'
                )
                + _hint(paths[report.missing[0]]),
                len(report.missing),
                tuple(paths[i] for i in report.missing[:3]),
            )
        )
    if report.unreadable:
        findings.append(
            Finding(
                'error',
                'unreadable-files',
                f'{count_of(len(report.unreadable), "image file")} not readable, or broken off in '
                'the middle: copy them again, or remove their entries.',
                len(report.unreadable),
                tuple(paths[i] for i in report.unreadable[:3]),
            )
        )
    turned = set(report.turned)
    for key, where, why in (
        (
            'turned-images',
            report.turned,
            'because their EXIF data tell to turn them, so that the boxes lie elsewhere: save the '
            'images turned and without EXIF, or set '
            "LoadImageFromFile(color_type='color_ignore_orientation') if the boxes were drawn on "
            'unturned images',
        ),
        (
            'image-size',
            [i for i in report.sizes if i not in turned],
            'so the boxes may be those of other or resized images: correct width and height, or '
            'take the images that were annotated',
        ),
    ):
        if where:
            findings.append(
                Finding(
                    'error',
                    key,
                    f'{count_of(len(where), "image")} of another size than the annotations say, '
                    f'{why}.',
                    len(where),
                    tuple(
                        '{}: {} x {}, annotated {} x {}'.format(
                            paths[i], *report.sizes[i], *sizes[i]
                        )
                        for i in where[:3]
                    ),
                )
            )
    if report.same:
        copies = sum(len(group) - 1 for group in report.same)
        findings.append(
            Finding(
                'warning',
                'same-content',
                f'{count_of(copies, "image file")} with the content of another: remove the copies, '
                'above all if their annotations differ.',
                copies,
                tuple(' = '.join(paths[i] for i in group[:3]) for group in report.same[:3]),
            )
        )
    return findings


def _hint(path: str) -> str:
    """What lies where the file is looked for."""
    folder, name = osp.split(path)
    if '\\' in path:
        return ' The names contain \\, which is no separator here: write /.'
    if not osp.isdir(folder):
        return f" There is no folder '{folder}'."
    stem = osp.splitext(name)[0].lower()
    for other in sorted(p.name for p in Path(folder).iterdir()):
        if osp.splitext(other)[0].lower() == stem:
            return f" '{other}' is there instead."
    return ''
