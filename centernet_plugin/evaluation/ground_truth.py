"""The annotated objects of a test set, of whatever dataset."""

from dataclasses import dataclass, replace

import numpy as np
from pycocotools.coco import COCO

from ..errors import UserInputError


@dataclass(frozen=True)
class GroundTruth:
    """All objects of a test set, image after image.

    Attributes:
        ids: ``img_id`` of every image.
        paths: its file.
        classes: names by class index.
        images: place of the object's image in the test set. (G,)
        boxes: x, y, width, height in pixels of the original image, as in COCO. (G, 4)
        labels: class indices. (G,)
        areas: in square pixels, by which an object is small, medium or large. (G,)
        ignored: crowds and VOC's difficult objects, which count neither as found nor as missed.
            (G,)
    """

    ids: list
    paths: list[str]
    classes: tuple[str, ...]
    images: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    areas: np.ndarray
    ignored: np.ndarray


def truth_of_dataset(dataset) -> GroundTruth:
    """What an mmdet dataset, or a wrapper of some, knows of its objects.

    The area is the box's, as everywhere in mmdet where no annotation file says another.
    """
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    rows = [
        (place, instance['bbox'], instance['bbox_label'], instance.get('ignore_flag', 0))
        for place, info in enumerate(infos)
        for instance in info.get('instances') or []
    ]
    classes = dataset.metainfo.get('classes', ())
    corners = np.array([row[1] for row in rows], np.float64).reshape(-1, 4)
    sizes = corners[:, 2:] - corners[:, :2]
    return GroundTruth(
        ids=[info.get('img_id', place) for place, info in enumerate(infos)],
        paths=[info['img_path'] for info in infos],
        classes=(classes,) if isinstance(classes, str) else tuple(classes),
        images=np.array([row[0] for row in rows], np.int64),
        boxes=np.concatenate([corners[:, :2], sizes], 1),
        labels=np.array([row[2] for row in rows], np.int64),
        areas=sizes.prod(1),
        ignored=np.array([row[3] for row in rows], bool),
    )


def truth_of_annotations(truth: GroundTruth, coco: COCO, source: str) -> GroundTruth:
    """The same images with the objects of an annotation file, as mmdet's ``CocoMetric`` counts.

    A dataset drops what cannot be trained on, such as boxes below one pixel, and the areas of
    masks; a CocoMetric with an ``ann_file`` counts them.

    Args:
        truth: of the dataset.
        coco: annotations that include all its images.
        source: their file, for the message.

    Raises:
        UserInputError: it has other images or classes.
    """
    missing = [i for i in truth.ids if i not in coco.imgs]
    if missing:
        raise UserInputError(
            f"'{source}', the ann_file of test_evaluator, has no image with the id {missing[0]!r}, "
            'which the test set has; without it, test_evaluator.ann_file=None, the objects are '
            "the dataset's"
        )
    by_name = {category['name']: category['id'] for category in coco.dataset['categories']}
    absent = [name for name in truth.classes if name not in by_name]
    if absent:
        raise UserInputError(
            f"'{source}', the ann_file of test_evaluator, has no category {absent[0]!r}, which is "
            'a class of the test set'
        )
    # CocoMetric counts labels in the order of the file.
    chosen = [i for name, i in by_name.items() if name in truth.classes]
    labels = {category: label for label, category in enumerate(chosen)}
    rows = [
        (place, ann)
        for place, image in enumerate(truth.ids)
        for ann in coco.imgToAnns.get(image, [])
        if ann['category_id'] in labels
    ]
    return replace(
        truth,
        images=np.array([place for place, _ in rows], np.int64),
        boxes=np.array([ann['bbox'] for _, ann in rows], np.float64).reshape(-1, 4),
        labels=np.array([labels[ann['category_id']] for _, ann in rows], np.int64),
        areas=np.array([ann['area'] for _, ann in rows], np.float64),
        ignored=np.array([ann.get('iscrowd', 0) for _, ann in rows], bool),
    )
