"""Small sets of boxes in other people's formats.

A set is a dictionary: image -> list of (class, x1, y1, x2, y2) in pixels, edges counted from 0.
"""

import contextlib
import io
import runpy
import sys
from pathlib import Path
from unittest import mock

import cv2
import numpy as np

from centernet_plugin.datasets.converters import BoxSet, build_coco
from centernet_plugin.datasets.converters.tally import Tally

TOOLS = Path(__file__).resolve().parents[1] / 'tools'
SIZES = {'a.jpg': (60, 40), 'b.PNG': (33, 57), 'c d.jpeg': (100, 20), 'empty.bmp': (16, 24)}
CLASSES = ['cat', 'guinea pig', 'Zürich']
SET = {
    'a.jpg': [('guinea pig', 1, 2, 30, 40), ('cat', 0, 0, 60, 39)],
    'b.PNG': [('cat', 3, 5, 8, 50)],
    'c d.jpeg': [('Zürich', 90, 10, 100, 20), ('cat', 4, 4, 9, 9)],
    'empty.bmp': [],
}


def write_images(folder: Path, sizes: dict[str, tuple[int, int]] = SIZES) -> Path:
    """Images of noise, in which nothing is the same. Sizes are (width, height)."""
    rng = np.random.default_rng(0)
    for name, (width, height) in sizes.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = rng.integers(0, 255, (height, width, 3), np.uint8)
        path.write_bytes(cv2.imencode(path.suffix.lower(), image)[1].tobytes())
    return folder


def csv_text(boxes=SET, delimiter=',', header=True, relative=False, last=0, first=0) -> str:
    """A table of corners; ``first`` and ``last`` are added to the first and second corner."""
    rows = ['image,xmin,ymin,xmax,ymax,class'.split(',')] if header else []
    for name, found in boxes.items():
        for label, *corners in found:
            if relative:
                corners = [v / side for v, side in zip(corners, SIZES[name] * 2, strict=True)]
            shifts = (first, first, last, last)
            corners = [v + shift for v, shift in zip(corners, shifts, strict=True)]
            rows.append([name, *map(repr, corners), label])
        if not found:
            rows.append([name, '', '', '', '', ''])
    return ''.join(delimiter.join(row) + '\n' for row in rows)


def yolo_lines(found, size, classes=CLASSES, digits=17) -> str:
    """The label file of one image."""
    lines = []
    for label, x1, y1, x2, y2 in found:
        numbers = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
        parts = [v / side for v, side in zip(numbers, size * 2, strict=True)]
        words = ' '.join(f'{part:.{digits}f}' for part in parts)
        lines.append(f'{classes.index(label)} {words}\n')
    return ''.join(lines)


def write_labels(folder: Path, boxes=SET, classes=CLASSES, digits=17) -> None:
    """YOLO's label files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, found in boxes.items():
        text = yolo_lines(found, SIZES[name], classes, digits)
        (folder / name).with_suffix('.txt').write_text(text)


def write_yolo(root: Path, boxes=SET, classes=CLASSES, digits=17) -> Path:
    """``images/``, ``labels/`` and ``classes.txt``."""
    write_images(root / 'images')
    write_labels(root / 'labels', boxes, classes, digits)
    (root / 'classes.txt').write_text('\n'.join(classes) + '\n', encoding='utf-8')
    return root


def voc_xml(name: str, found, size) -> str:
    """The XML file of one image, of VOC's pixels."""
    objects = ''.join(
        f'<object><name>{label}</name><difficult>0</difficult><bndbox><xmin>{x1 + 1!r}</xmin>'
        f'<ymin>{y1 + 1!r}</ymin><xmax>{x2!r}</xmax><ymax>{y2!r}</ymax></bndbox></object>\n'
        for label, x1, y1, x2, y2 in found
    )
    width, height = size
    return (
        f'<annotation><filename>{name}</filename>\n<size><width>{width}</width>'
        f'<height>{height}</height><depth>3</depth></size>\n{objects}</annotation>\n'
    )


def write_xml(folder: Path, boxes=SET) -> None:
    """VOC's XML files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, found in boxes.items():
        path = (folder / name).with_suffix('.xml')
        path.write_text(voc_xml(name, found, SIZES[name]), encoding='utf-8')


def write_voc_set(root: Path, boxes=SET) -> Path:
    """``JPEGImages/``, ``Annotations/`` and lists: all but the last image in train."""
    write_images(root / 'JPEGImages')
    write_xml(root / 'Annotations', boxes)
    lists = root / 'ImageSets/Main'
    lists.mkdir(parents=True)
    stems = [Path(name).stem for name in boxes]
    # Names of a list have no blanks in VOC.
    (lists / 'train.txt').write_text('\n'.join(s for s in stems[:-1] if ' ' not in s) + '\n')
    (lists / 'val.txt').write_text(stems[-1] + '\n')
    return root


def as_set(boxes: BoxSet, tally: Tally | None = None, classes=None) -> dict[str, list[tuple]]:
    """A set as above of what a converter makes of its file, by COCO's dictionaries."""
    result = {}
    for coco in build_coco(boxes, tally or Tally(), classes).values():
        names = {category['id']: category['name'] for category in coco['categories']}
        files = {image['id']: image['file_name'] for image in coco['images']}
        for image in coco['images']:
            result[image['file_name']] = []
        for ann in coco['annotations']:
            x, y, w, h = ann['bbox']
            assert ann['area'] == w * h and ann['iscrowd'] == 0
            found = (names[ann['category_id']], x, y, x + w, y + h)
            result[files[ann['image_id']]].append(found)
    return result


def call(script: str, *args) -> tuple[int, str, str]:
    """Exit code, output and errors of a script in ``tools/``, run in this process."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    argv = [script, *map(str, args)]
    with (
        mock.patch.object(sys, 'argv', argv),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            runpy.run_path(str(TOOLS / script), run_name='__main__')
        except SystemExit as end:
            code = end.code or 0
    return code, out.getvalue(), err.getvalue()
