"""COCO's detection format as arrays, without pycocotools and whatever is wrong with it."""

import json
import os.path as osp
from collections import Counter

import numpy as np
from mmengine.fileio import get

from ...errors import UserInputError
from .annotations import Annotations
from .finding import Finding, count_of, listed
from .raw import RawAnnotations


def read_coco(path: str, folder: str = '', backend_args: dict | None = None) -> RawAnnotations:
    """Everything in an annotation file.

    Args:
        path: JSON file.
        folder: of the images.
        backend_args: where mmengine is to look for the file.

    Raises:
        UserInputError: no such file, not JSON, or not COCO's format.
    """
    data = _load(path, backend_args)
    images, annotations, categories = (
        _entries(data, name, path) for name in ('images', 'annotations', 'categories')
    )
    try:
        image, unknown_images = _look_up(annotations, 'image_id', images)
        labels, unknown_categories = _look_up(annotations, 'category_id', categories)
    except TypeError as error:
        raise UserInputError(f"'{path}': an id is neither a number nor text: {error}") from error
    boxes = _boxes([ann.get('bbox') for ann in annotations])
    boxes[:, 2:] += boxes[:, :2]
    table = Annotations(
        paths=[osp.join(folder, str(image.get('file_name', ''))) for image in images],
        ids=[image.get('id') for image in images],
        sizes=np.array(
            [(image.get('width') or 0, image.get('height') or 0) for image in images], np.int64
        ).reshape(-1, 2),
        image=image,
        boxes=boxes,
        labels=labels,
        ignored=np.array([bool(ann.get('iscrowd')) for ann in annotations], bool),
        classes=tuple(str(category.get('name', '')) for category in categories),
    )
    findings = [
        *_repeated_ids(images, annotations, categories),
        *_bad_boxes(annotations, table),
    ]
    return RawAnnotations(
        source=path,
        table=table,
        marked=np.array([bool(ann.get('ignore')) for ann in annotations], bool),
        area=np.array([_number(ann.get('area')) for ann in annotations], np.float64),
        findings=findings,
        unknown_images=unknown_images,
        unknown_categories=unknown_categories,
    )


def _load(path: str, backend_args: dict | None) -> dict:
    try:
        content = get(path, backend_args=backend_args)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserInputError(
            f"annotation file '{path}' does not exist; set data_root and ann_file of the dataset "
            'to where your annotations are'
        ) from error
    try:
        data = json.loads(content)
    except json.JSONDecodeError as error:
        cut = '' if error.doc.rstrip().endswith('}') else '; it breaks off: copy it again'
        raise UserInputError(f"'{path}' is not JSON: {error}{cut}") from error
    except UnicodeDecodeError as error:
        raise UserInputError(f"'{path}' is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise UserInputError(f"'{path}' is not a COCO annotation file: it holds no object at all")
    return data


def _entries(data: dict, name: str, path: str) -> list[dict]:
    entries = data.get(name, [] if name == 'annotations' else None)  # COCO's test-dev has none
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserInputError(f"'{path}' is not in COCO's format: no list '{name}' of objects")
    return entries


def _look_up(annotations: list, key: str, entries: list) -> tuple[np.ndarray, list]:
    """Number of the entry that each annotation names, -1 for none (N,), and the names of none."""
    number = {entry.get('id'): i for i, entry in enumerate(entries)}
    ids = [ann.get(key) for ann in annotations]
    unknown = [i for i in dict.fromkeys(ids) if i not in number]
    return np.array([number.get(i, -1) for i in ids], np.int64), unknown


def _boxes(values: list) -> np.ndarray:
    """x, y, width, height; NaN where there is no such thing. (N, 4)"""
    try:
        return np.array(values, np.float64).reshape(-1, 4)
    except (ValueError, TypeError):
        return np.array([_box(value) for value in values], np.float64).reshape(-1, 4)


def _box(value) -> list[float]:
    nothing = [np.nan] * 4
    return [_number(v) for v in value] if isinstance(value, list) and len(value) == 4 else nothing


def _number(value) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return np.nan


def _repeated_ids(images: list, annotations: list, categories: list) -> list[Finding]:
    findings = []
    for noun, entries, key, effect in (
        ('image', images, 'id', 'the last of them gets the annotations of all'),
        ('annotation', annotations, 'id', 'mmdet does not load such a file'),
        ('category', categories, 'id', 'the last of them gets the annotations of all'),
        ('category', categories, 'name', 'the labels of the classes behind it shift'),
    ):
        counts = Counter(entry.get(key) for entry in entries if key in entry)
        repeated = [value for value, count in counts.items() if count > 1]
        if repeated:
            what = count_of(len(repeated), f'{noun} {key}')
            stand = 'stands' if len(repeated) == 1 else 'stand'
            findings.append(
                Finding(
                    'error',
                    f'repeated-{noun}-{key}',
                    f'{what} ({listed(map(repr, repeated))}) {stand} in the annotation file more '
                    f'than once, and {effect}: give every {noun} {key} once.',
                    len(repeated),
                )
            )
    return findings


def _bad_boxes(annotations: list, table: Annotations) -> list[Finding]:
    bad = np.flatnonzero(~np.isfinite(table.boxes).all(1))
    if not len(bad):
        return []
    examples = (
        f'annotation {annotations[i].get("id")} of '
        f'{table.paths[table.image[i]] if table.image[i] >= 0 else "no image"}: '
        f'{annotations[i].get("bbox")}'
        for i in bad[:3]
    )
    return [
        Finding(
            'error',
            'broken-boxes',
            f'{count_of(len(bad), "annotation")} without a box of four finite numbers: write '
            '[x, y, width, height] in pixels.',
            len(bad),
            tuple(examples),
        )
    ]
