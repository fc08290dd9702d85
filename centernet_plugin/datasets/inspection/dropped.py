"""Which annotations of the file the dataset class drops, and why; mmdet's say nothing of it."""

import numpy as np

from .annotations import Annotations
from .finding import Finding, count_of, listed
from .raw import RawAnnotations

REASONS = (
    'kept',
    'its image is not listed',
    'its category is not listed',
    'its class is not in the config',
    'marked to be ignored',
    'outside of the image',
    'no extent',
    'no area',
    'its image is left out',
)
(KEPT, NO_IMAGE, NO_CATEGORY, OTHER_CLASS, MARKED, OUTSIDE, NO_EXTENT, NO_AREA, LEFT_OUT) = range(9)


def drop_reasons(
    raw: RawAnnotations, loaded: Annotations, classes: tuple[str, ...], coco: bool
) -> np.ndarray:
    """Why each object of the file does not come through; several reasons count as the first.

    Args:
        raw: the file.
        loaded: what the dataset holds of it.
        classes: class names of the dataset.
        coco: whether mmdet's rules for COCO's format hold (also what is outside or without
            extent goes); those for VOC look at the class only.

    Returns:
        Indices into ``REASONS``. (N,), int64
    """
    table = raw.table
    image, box = table.image, table.boxes
    known = np.isin(np.array(table.classes, object), np.array(classes, object))
    known = np.append(known, False)  # of the label -1
    width, height = table.sizes[image].T if len(table) else np.zeros((2, 0))
    reasons = np.full(len(box), KEPT)

    def give(reason: int, where: np.ndarray) -> None:
        reasons[(reasons == KEPT) & where] = reason

    give(NO_IMAGE, image < 0)
    give(NO_CATEGORY, table.labels < 0)
    give(OTHER_CLASS, ~known[table.labels])
    if coco:
        give(MARKED, raw.marked)
        sides = box[:, 2:] - box[:, :2]
        give(NO_EXTENT, ~(sides >= 1).all(1))
        inner = np.minimum(box[:, 2:], np.stack([width, height], 1)) - np.maximum(box[:, :2], 0)
        give(OUTSIDE, ~(inner > 0).all(1))
        give(NO_AREA, ~(raw.area > 0))
    there = set(loaded.ids)
    left_out = np.array([i not in there for i in table.ids] + [False], bool)
    give(LEFT_OUT, left_out[image])
    return reasons


MESSAGES = {
    NO_IMAGE: (
        'unknown-image',
        'of {0}, which the file does not list: correct image_id, or list the image',
    ),
    NO_CATEGORY: (
        'unknown-category',
        'of {0}, which the file does not list: correct category_id, or list the category',
    ),
    MARKED: (
        'marked-ignore',
        "with 'ignore' set: mark a crowd by iscrowd=1 instead if the network is not to learn "
        'background there',
    ),
    OUTSIDE: ('outside', 'wholly outside of the image: correct the boxes or the image size'),
    NO_EXTENT: (
        'no-extent',
        'less than a pixel wide or high: COCO boxes are [x, y, width, height], not two corners; '
        'correct or remove them',
    ),
    NO_AREA: ('no-area', "with an 'area' of 0 or none: write the area of the object or of its box"),
}


def drop_findings(raw: RawAnnotations, reasons: np.ndarray) -> list[Finding]:
    """One warning for each reason that is a mistake in the file."""
    findings = []
    unknown = {
        NO_IMAGE: f'image {_ids(raw.unknown_images, raw.table.ids)}',
        NO_CATEGORY: f'category {_ids(raw.unknown_categories, [])}',
    }
    for reason, (key, what) in MESSAGES.items():
        where = np.flatnonzero(reasons == reason)
        if len(where):
            findings.append(
                Finding(
                    'warning',
                    key,
                    f'{count_of(len(where), "annotation")} dropped without a word, '
                    f'{what.format(unknown.get(reason))}.',
                    len(where),
                    tuple(raw.table.describe(i) for i in where[:3]),
                )
            )
    return findings


def left_out_findings(raw: RawAnnotations, loaded: Annotations, reasons: np.ndarray) -> list:
    """Notes on images that the dataset filters, and on what cannot be explained."""
    findings = []
    there = set(loaded.ids)
    images = sum(i not in there for i in raw.table.ids)
    if images:
        objects = int((reasons == LEFT_OUT).sum())
        findings.append(
            Finding(
                'note',
                'left-out',
                f'{count_of(images, "image")} with {count_of(objects, "object")} left out: '
                'filter_cfg (filter_empty_gt, min_size) or indices of the dataset say so.',
                images,
            )
        )
    other = int((reasons == KEPT).sum()) - len(loaded.boxes)
    if other:
        more = count_of(abs(other), 'object')
        findings.append(
            Finding(
                'note',
                'unexplained',
                f'The dataset holds {more} {"fewer" if other > 0 else "more"} than this check '
                f"expects of '{raw.source}': its class has rules of its own.",
                abs(other),
            )
        )
    return findings


def _ids(unknown: list, known: list) -> str:
    text = listed(map(repr, unknown), 3)
    as_text = {str(i) for i in known}
    if unknown and any(str(i) in as_text for i in unknown):
        text += ' (as text, the file has them as numbers, or the other way round)'
    return text
