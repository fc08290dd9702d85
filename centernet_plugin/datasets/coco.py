"""COCO-format detection data, with the mistakes of everyday life named."""

import json
import math
import os.path as osp
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from mmdet.datasets.api_wrappers import COCO
from mmdet.datasets.coco import CocoDataset as MMDetCocoDataset

from ..errors import UserInputError
from ..registry import DATASETS
from .corrupt import CorruptImagesMixin
from .fields import field_shapes, read_values, require_fields


def _is_id(value) -> bool:
    return isinstance(value, (int, str))


def _is_text(value) -> bool:
    return isinstance(value, str) and bool(value)


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _is_side(value) -> bool:
    return _is_number(value) and value > 0


# What stands in a list's entries, as the sentence about what does not calls it, and a test of it.
ID, TEXT, SIDE = ('a number', _is_id), ('text', _is_text), ('a number above 0', _is_side)
NUMBER, ANYTHING = ('a finite number', _is_number), ('', lambda value: True)
IMAGE_KEYS = dict(id=ID, file_name=TEXT, width=SIDE, height=SIDE)
CATEGORY_KEYS = dict(id=ID, name=TEXT)
ANNOTATION_KEYS = dict(
    id=ID, image_id=ID, category_id=ID, bbox=ANYTHING, area=NUMBER, iscrowd=NUMBER
)


@DATASETS.register_module()
class CocoDataset(CorruptImagesMixin, MMDetCocoDataset):
    """mmdet's CocoDataset that says what is wrong instead of training on nothing.

    mmdet's own takes class names that the file does not know for absent classes: labels shift and
    AP is 0 without a word.

    Args:
        fields: further keys of annotations that instances carry, for branches of the head: names
            of numbers, as ``('distance',)``, or shapes by name, as ``dict(size=(3,))``. An
            annotation may lack them, or have null or NaN for what is not known. Every data info
            then has ``fields``, the shapes by name.
        *args, **kwargs: mmdet's own, and ``on_corrupt``, ``'error'`` or ``'skip'``: what is done
            about images that cannot be read, see
            :class:`~centernet_plugin.datasets.corrupt.CorruptImagesMixin`.

    Raises:
        UserInputError: no such annotation file or image folder, not COCO's format, boxes that are
            not finite, class names that do not match the file's, values of fields that are not
            what they should be, or, to train, no annotation at all or a field that none has.
    """

    def __init__(
        self, *args, fields: Sequence[str] | Mapping[str, Sequence[int]] = (), **kwargs
    ) -> None:
        self.fields = field_shapes(fields)
        super().__init__(*args, **kwargs)

    def COCOAPI(self, path: str) -> COCO:  # noqa: N802  the parent calls it by this name
        """Read and check the annotation file."""
        if not osp.isfile(path):
            raise UserInputError(
                f"annotation file '{path}' does not exist; set data_root and ann_file of the "
                'dataset to where your annotations are'
            )
        try:
            coco = _CheckedCOCO(path)
            if not coco.dataset.get('annotations') and not self.test_mode:
                raise UserInputError(f"'{path}' has no annotations to train on")
        except (json.JSONDecodeError, UnicodeDecodeError, AssertionError) as error:
            raise UserInputError(f"'{path}' is not a COCO annotation file: {error}") from error
        check_classes(coco.dataset['categories'], self.metainfo['classes'], path)
        if not self.test_mode:
            require_fields(coco.dataset['annotations'], tuple(self.fields), path)
        return coco

    def load_data_list(self) -> list[dict]:
        data_list = super().load_data_list()
        if data_list and not osp.isfile(first := data_list[0]['img_path']):
            if '://' not in first:
                raise UserInputError(
                    f"image '{first}', the first that '{self.ann_file}' names, does not exist; set "
                    "data_prefix=dict(img=...) of the dataset to the images' folder"
                )
        return data_list

    def parse_data_info(self, raw_data_info: dict) -> dict:
        if not self.fields:
            return super().parse_data_info(raw_data_info)
        # One at a time: the parent drops some without saying which.
        image, instances = raw_data_info['raw_img_info'], []
        for ann in raw_data_info['raw_ann_info']:
            parsed = super().parse_data_info(dict(raw_img_info=image, raw_ann_info=[ann]))
            if parsed['instances']:
                where = f'annotation {ann["id"]} of image {image["file_name"]!r}'
                instances.append(parsed['instances'][0] | self.read_fields(ann, where))
        data_info = super().parse_data_info(dict(raw_img_info=image, raw_ann_info=[]))
        return data_info | dict(instances=instances, fields=dict(self.fields))

    def read_fields(self, ann: dict, where: str) -> dict:
        """The values of an instance's ``fields``, of the annotation that is called ``where``."""
        return read_values(ann, self.fields, where)


class _CheckedCOCO(COCO):
    def createIndex(self) -> None:  # noqa: N802  pycocotools calls it by this name
        check_coco(self.dataset)
        super().createIndex()


def check_coco(dataset: dict) -> None:
    """Fail unless this is COCO's detection format with finite boxes.

    The keys are those that pycocotools, mmdet or the evaluation read, the last of them only after
    hours of training.

    Raises:
        UserInputError: names the first entry that lacks something, or has no box.
    """
    if not isinstance(dataset.get('images'), list) or not dataset['images']:
        raise UserInputError("annotations are not in COCO's format: no list 'images' with entries")
    if not isinstance(dataset.get('categories'), list):
        raise UserInputError("annotations are not in COCO's format: no list 'categories'")
    require_keys('image', dataset['images'], IMAGE_KEYS)
    require_keys('category', dataset['categories'], CATEGORY_KEYS)
    if 'annotations' not in dataset:  # COCO's test-dev
        return
    if not isinstance(dataset['annotations'], list):
        raise UserInputError("annotations are not in COCO's format: 'annotations' is no list")
    require_keys('annotation', dataset['annotations'], ANNOTATION_KEYS)
    annotations = [ann for ann in dataset['annotations'] if not ann.get('ignore', False)]
    try:
        boxes = np.array([ann['bbox'] for ann in annotations], np.float64).reshape(-1, 4)
        bad = np.flatnonzero(~np.isfinite(boxes).all(1))
    except (ValueError, TypeError):
        bad = [i for i, ann in enumerate(annotations) if not _is_box(ann['bbox'])]
    if len(bad):
        ann = annotations[bad[0]]
        names = {image['id']: image['file_name'] for image in dataset['images']}
        raise UserInputError(
            f'annotation {ann["id"]} of image {names.get(ann["image_id"])!r} has the box '
            f'{ann["bbox"]}, which is not [x, y, width, height] in finite numbers'
            + (f' ({len(bad)} such annotations)' if len(bad) > 1 else '')
        )


def require_keys(
    kind: str, entries: list, keys: Mapping[str, tuple[str, Callable[[object], bool]]]
) -> None:
    """Fail unless every entry of a list of the file is an object with these keys.

    Args:
        kind: what the entries are.
        entries: the list.
        keys: what each value is called, and whether a value is that.

    Raises:
        UserInputError: names the entry, of this ``kind``, and the key.
    """
    ids = set()
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise UserInputError(f"annotations are not in COCO's format: {kind} {i} is no object")
        missing = [key for key in keys if key not in entry]
        if missing:
            raise UserInputError(
                f"{kind} {entry.get('id', f'number {i}')} lacks {missing[0]!r}; COCO's format "
                f'needs {", ".join(keys)} of every {kind}'
            )
        for key, (words, fits) in keys.items():
            if not fits(entry[key]):
                raise UserInputError(
                    f'{kind} {entry["id"]!r} has {key}={entry[key]!r:.50}, which is not {words}'
                )
        if entry['id'] in ids:
            raise UserInputError(f'two entries are {kind} {entry["id"]!r}; ids have to differ')
        ids.add(entry['id'])


def check_classes(categories: list[dict], classes: tuple[str, ...], path: str) -> None:
    """Fail unless ``classes`` names categories of the file, in the file's order.

    Labels count the file's categories in the file's order, whatever the order of ``classes``.

    Raises:
        UserInputError: with the line that would work.
    """
    names = [category['name'] for category in categories]
    expected = tuple(name for name in names if name in set(classes))
    if expected == tuple(classes):
        return
    missing = [name for name in classes if name not in names]
    line = f'metainfo=dict(classes={expected or tuple(names)!r})'
    if missing:
        some = ', '.join(missing[:5]) + (', …' if len(missing) > 5 else '')
        raise UserInputError(
            f"{len(missing)} of {len(classes)} class names ({some}) are not in '{path}'; "
            f'set {line} in every dataset and num_classes of the head to match'
        )
    raise UserInputError(f"classes are in another order than in '{path}'; set {line}")


def _is_box(box) -> bool:
    try:
        return np.array(box, np.float64).shape == (4,) and bool(np.isfinite(box).all())
    except (TypeError, ValueError):
        return False
