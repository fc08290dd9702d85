"""Training pipelines: from image files to training samples, in one process."""

from collections.abc import Callable
from functools import partial
from typing import Any

import cv2

from ...engine.quiet_runner import hushed
from ..case import OURS, Case, Skip, Work
from ..settings import Settings

GROUP = 'training pipeline'
CROP = 512  # of both recipes


def cases(settings: Settings) -> list[Case]:
    count = settings.pictures.count
    return [
        Case(
            group=GROUP,
            name=f'{count} image files to samples, one process',
            prepare=partial(prepare, settings),
            unit='images/s',
            convert=lambda ms: 1000 * count / ms,
            more_is_better=True,
            goals={OURS: 2.5},
        )
    ]


def prepare(settings: Settings) -> Work:
    datasets = build(settings)
    return Work(
        sides={
            name: partial(load, dataset, settings.pictures.count)
            for name, dataset in datasets.items()
        },
        check=check,
    )


def build(settings: Settings) -> dict[str, Any]:
    """The datasets of both sides, of training pipelines of the same strength.

    Raises:
        Skip: there are none to compare.
    """
    try:
        from ..pipelines import build_pipelines
    except ImportError as error:
        raise Skip('pipelines of equal strength are not there') from error
    pictures = settings.pictures
    with hushed():  # pycocotools prints
        return build_pipelines(
            str(pictures.root),
            pictures.ann_file,
            pictures.image_folder,
            metainfo=dict(classes=pictures.classes),
        )


def load(dataset: Any, count: int) -> list[dict]:
    """So many samples, on this thread, as in a process of a data loader."""
    return single_threaded(lambda: [dataset[i % len(dataset)] for i in range(count)])


def single_threaded(call: Callable) -> Any:
    """Calls without OpenCV's threads."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(0)
    try:
        return call()
    finally:
        cv2.setNumThreads(threads)


def check(side: str, output: list[dict], reference: list[dict]) -> str:
    """Crops are random; that they are images of the crop's size with objects is not."""
    if len(output) != len(reference):
        return f'{len(output)} samples against {len(reference)}'
    for sample in output:
        shape, boxes = tuple(sample['inputs'].shape), sample['data_samples'].gt_instances.bboxes
        if shape != (3, CROP, CROP):
            return f'an image of shape {shape} in place of {(3, CROP, CROP)}'
        if boxes.shape[-1] != 4 or len(boxes) != len(sample['data_samples'].gt_instances.labels):
            return 'boxes and labels do not belong together'
    if not any(len(s['data_samples'].gt_instances) for s in output):
        return 'there is no object in any sample'
    return ''
