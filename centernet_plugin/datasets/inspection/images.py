"""Sizes of images and objects, objects per image, images listed twice."""

from collections import Counter

import numpy as np

from .annotations import Annotations
from .finding import Finding, count_of

COCO_AREAS = {'small': 32.0**2, 'medium': 96.0**2, 'large': np.inf}  # upper bounds, in pixels


def image_summary(table: Annotations) -> dict:
    """Number and sizes of the images, and objects in them; ignored objects do not count.

    Returns:
        ``images``, ``objects``, ``ignored``, ``without_objects``, and, each as
        minimum, median and maximum or None where there is nothing to measure, ``width``,
        ``height``, ``aspect_ratio`` (width / height) and ``objects_per_image``.
    """
    width, height = table.sizes[(table.sizes > 0).all(1)].T.astype(np.float64)
    counts = objects_per_image(table)
    return dict(
        images=len(table),
        objects=int((~table.ignored).sum()),
        ignored=int(table.ignored.sum()),
        without_objects=int((counts == 0).sum()),
        width=spread(width),
        height=spread(height),
        aspect_ratio=spread(width / np.maximum(height, 1)),
        objects_per_image=spread(counts),
    )


def object_summary(table: Annotations) -> dict:
    """Sizes of the objects that are not ignored, in pixels of their image.

    Returns:
        ``small``, ``medium``, ``large``: how many by COCO's bounds, by the area of the box; and,
        as minimum, median, maximum, ``side`` (root of the area) and ``aspect_ratio``.
    """
    sides = table.boxes[~table.ignored, 2:] - table.boxes[~table.ignored, :2]
    width, height = np.maximum(sides, 0).T
    area = width * height
    bounds = np.array([0, *COCO_AREAS.values()])
    groups = np.searchsorted(bounds[1:-1], area, side='right')
    numbers = np.bincount(groups, minlength=len(COCO_AREAS))
    return dict(
        {name: int(n) for name, n in zip(COCO_AREAS, numbers, strict=True)},
        side=spread(np.sqrt(area)),
        aspect_ratio=spread((width / np.maximum(height, 1e-9))[area > 0]),
    )


def objects_per_image(table: Annotations) -> np.ndarray:
    """Objects that are not ignored. (I,)"""
    image = table.image[~table.ignored & (table.image >= 0)]
    return np.bincount(image, minlength=len(table))


def spread(values: np.ndarray) -> list[float] | None:
    """Minimum, median and maximum."""
    if not len(values):
        return None
    return [round(float(f(values)), 3) for f in (np.min, np.median, np.max)]


def image_findings(table: Annotations, *, max_per_img: int | None = None) -> list[Finding]:
    """Images that are empty, crowded, or there twice; ignored objects.

    Args:
        table: what the dataset holds.
        max_per_img: detections that the head gives per image.
    """
    findings = []
    counts = objects_per_image(table)
    if not len(table):
        return [
            Finding(
                'error',
                'no-images',
                'The dataset holds no image: look at ann_file, and at filter_cfg and indices of '
                'the dataset.',
            )
        ]
    crowded = np.flatnonzero(counts > (max_per_img or np.inf))
    if len(crowded):
        crowded = crowded[np.argsort(-counts[crowded], kind='stable')]
        findings.append(
            Finding(
                'warning',
                'crowded-images',
                f'{count_of(len(crowded), "image")} with more objects than the {max_per_img} '
                f'detections that the head gives (at most {counts.max()}): raise max_per_img and '
                'topk of test_cfg, and proposal_nums of CocoMetric.',
                len(crowded),
                tuple(f'{table.paths[i]}: {counts[i]}' for i in crowded[:3]),
            )
        )
    repeated = {path: n for path, n in Counter(table.paths).items() if n > 1}
    if repeated:
        findings.append(
            Finding(
                'warning',
                'repeated-image',
                f'{count_of(len(repeated), "image file")} listed more than once, and each entry '
                'teaches that the objects of the others are background: make one entry of them.',
                len(repeated),
                tuple(list(repeated)[:3]),
            )
        )
    empty = int((counts == 0).sum())
    if empty and counts.any():
        findings.append(
            Finding(
                'note',
                'empty-images',
                f'{count_of(empty, "image")} without objects: they teach what is background; if '
                'they are only not annotated yet, leave them out by '
                'filter_cfg=dict(filter_empty_gt=True).',
                empty,
            )
        )
    return findings
