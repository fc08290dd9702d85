"""COCO's format from boxes, and the division into training and validation."""

import hashlib
import json
import os
import re
from collections.abc import Sequence
from difflib import get_close_matches
from itertools import combinations
from pathlib import Path

from ...errors import UserInputError
from ..inspection.finding import count_of
from .boxes import UNKNOWN_CLASS, BoxSet, Entry, inside
from .tally import Tally
from .text_files import shorten

SPLIT = re.compile(r'[\w .()+-]+')  # downloads are called 'boxes (1).csv'


def divide(boxes: BoxSet, fraction: float, seed: int = 0) -> BoxSet:
    """``train`` and ``val`` in the place of the one split.

    Where an image goes depends on its name and the seed alone: not on the others, so that a set may
    grow and keep its validation images, and not on the order of the annotations. Therefore the
    fraction is met on average only; neither split stays empty.

    Args:
        boxes: with one split.
        fraction: of the images to validate with, between 0 and 1.
        seed: another one gives another choice.

    Raises:
        UserInputError: another fraction, more than one split, or less than two images.
    """
    if not 0 < fraction < 1:
        raise UserInputError(f'--val-fraction has to lie between 0 and 1, such as 0.2; {fraction}')
    if len(boxes.splits) != 1:
        raise UserInputError(
            f'--val-fraction divides one split, but there are '
            f'{", ".join(map(shorten, boxes.splits))}: leave it out, or choose one'
        )
    ((name, entries),) = boxes.splits.items()
    if len(entries) < 2:
        raise UserInputError(f'--val-fraction needs at least two images; {name!r} has not as many')
    place = {entry.file_name: _place(entry.file_name, seed) for entry in entries}
    limit = sorted(place.values())
    # At least the first and never the last.
    limit = min(max(fraction, limit[1]), limit[-1])
    train = [entry for entry in entries if place[entry.file_name] >= limit]
    val = [entry for entry in entries if place[entry.file_name] < limit]
    return BoxSet(boxes.folder, dict(train=train, val=val), boxes.names)


def build_coco(
    boxes: BoxSet, tally: Tally, classes: Sequence[str] | None = None
) -> dict[str, dict]:
    """COCO's dictionary of every split, with the same numbers of images and classes in all.

    Args:
        boxes: what was read.
        tally: counts boxes that are dropped: without extent, outside of the image, of other
            classes.
        classes: names in the order wanted; None: the source's order, or else that in which they are
            found. One that no box has is noted: a set may lack a class that another has. It is an
            error where boxes are dropped whose class is called almost the same.

    Raises:
        UserInputError: no box is left, or ``classes`` seems to misspell a name.
    """
    names = list(classes or boxes.names or [])
    fixed = bool(names)
    number = {name: i for i, name in enumerate(names, 1)}
    files = sorted({e.file_name for entries in boxes.splits.values() for e in entries})
    ids = {name: i for i, name in enumerate(files, 1)}
    result, met, ready = {}, set(), {}
    for split, entries in boxes.splits.items():
        images, annotations = [], []
        for entry in entries:
            images.append(
                dict(
                    id=ids[entry.file_name],
                    file_name=entry.file_name,
                    width=entry.width,
                    height=entry.height,
                )
            )
            if id(entry) not in ready:  # an image of two lists is dropped from once
                ready[id(entry)] = _kept(entry, number, fixed, met, tally)
            for label, (x1, y1, x2, y2), ignored in ready[id(entry)]:
                width, height = _difference(x2, x1), _difference(y2, y1)
                annotations.append(
                    dict(
                        id=len(annotations) + 1,
                        image_id=ids[entry.file_name],
                        category_id=number[label],
                        bbox=[x1, y1, width, height],
                        area=width * height,
                        # Not as 'ignore': mmdet leaves such boxes out, so that the network would
                        # learn background there, and pycocotools overwrites it by 'iscrowd'.
                        iscrowd=int(ignored),
                    )
                )
        result[split] = dict(images=images, annotations=annotations)
    categories = [dict(id=i, name=name) for name, i in number.items()]
    for coco in result.values():
        coco['categories'] = categories
    _require_boxes(result, tally, names, met)
    if classes:
        _check_names(classes, met, tally)
    _note_oddities(boxes, list(number), tally)
    return result


def write_coco(cocos: dict[str, dict], folder: str | os.PathLike) -> dict[str, Path]:
    """Write ``instances_SPLIT.json`` for every split; gives their paths.

    Raises:
        UserInputError: a split is called what no file should be, or the folder or a file cannot be
            written.
    """
    for split in cocos:
        if not SPLIT.fullmatch(split):
            raise UserInputError(
                f'the split {shorten(split)} gives instances_SPLIT.json its name, which may have '
                'letters, digits, blanks and . _ - + ( ): rename the table or list'
            )
    paths = {split: Path(folder) / f'instances_{split}.json' for split in cocos}
    try:
        os.makedirs(folder, exist_ok=True)
        for split, path in paths.items():
            path.write_text(json.dumps(cocos[split]), encoding='utf-8')
    except (OSError, ValueError) as error:
        raise UserInputError(
            f"cannot write to '{folder}' ({error}): choose another --out"
        ) from error
    return paths


def _kept(entry: Entry, number: dict[str, int], fixed: bool, met: set[str], tally: Tally) -> list:
    """Label, corners and mark of the boxes that stay; new classes get a number."""
    kept = []
    for box in entry.boxes:
        met.add(box.label)
        if fixed and box.label not in number:
            tally.drop(UNKNOWN_CLASS, f'{shorten(box.label)} in {box.where}')
            continue
        corners = inside(box, entry.width, entry.height, tally)
        if corners is not None:
            number.setdefault(box.label, len(number) + 1)
            if box.ignored:
                tally.note(
                    'difficult objects, written as crowds: neither trained on nor counted in tests',
                    box.where,
                )
            kept.append((box.label, corners, box.ignored))
    return kept


def _require_boxes(cocos: dict[str, dict], tally: Tally, names: list[str], met: set[str]) -> None:
    if any(not ann['iscrowd'] for coco in cocos.values() for ann in coco['annotations']):
        return
    why = ''.join(f'; {line}' for line in tally.lines()[:3])
    if names and met and not met & set(names):
        why = f'; the classes found are {", ".join(map(shorten, sorted(met)[:10]))}'
    images = sum(len(coco['images']) for coco in cocos.values())
    raise UserInputError(f'there is no box to train on in {count_of(images, "image")}{why}')


def _check_names(classes: Sequence[str], met: set[str], tally: Tally) -> None:
    """Tells of classes that no box has."""
    dropped = {name.casefold(): name for name in sorted(met - set(classes))}
    for name in classes:
        if name in met:
            continue
        if alike := get_close_matches(name.casefold(), dropped, n=1):
            raise UserInputError(
                f'--classes names {shorten(name)}, which no box has, and not '
                f'{shorten(dropped[alike[0]])}, whose boxes would be dropped: correct the name, or '
                'convert all sets with one command if another has the class'
            )
        tally.note('classes that --classes names and no box has', shorten(name))


def _note_oddities(boxes: BoxSet, names: list[str], tally: Tally) -> None:
    folded = {}
    for name in names:
        other = folded.setdefault(name.casefold(), name)
        if other != name:
            tally.note('class names that differ only in capitals', f'{other!r} and {name!r}')
    files = {split: {e.file_name for e in entries} for split, entries in boxes.splits.items()}
    for a, b in combinations([split for split in files if split != 'trainval'], 2):
        if both := files[a] & files[b]:
            tally.note(f"images in both '{a}' and '{b}'", f"'{min(both)}'", len(both))


def _difference(high: float, low: float) -> float:
    """``high - low`` without the last digits of float64, so that 0.3 - 0.1 is 0.2."""
    return round(high - low, 9)


def _place(file_name: str, seed: int) -> float:
    """A number in [0, 1) that looks random."""
    text = f'{seed} {file_name}'.encode('utf-8', 'surrogateescape')
    return int.from_bytes(hashlib.sha256(text).digest()[:8], 'big') / 2**64
