"""Training pipelines: from image files to training samples and batches, in one process."""

from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch import Tensor, nn

from ...checkpoints.configs import CONFIGS, config_folder
from ...engine.quiet_runner import hushed
from ...registry import MODELS
from ..case import OURS, Case, Skip, Work
from ..settings import Settings

GROUP = 'training pipeline'
CROP = 512  # of both recipes
BATCH = 16
LARGEST = 20  # deviations from the mean; bytes would reach 255


def cases(settings: Settings) -> list[Case]:
    """Samples, and batches: what one side leaves to the batch counts there for both."""
    count = settings.pictures.count
    common = dict(
        group=GROUP,
        unit='images/s',
        convert=lambda ms: 1000 * count / ms,
        more_is_better=True,
    )
    samples, batches = partial(prepare, settings), partial(prepare_batches, settings)
    return [
        Case(name=f'{count} image files to samples', prepare=samples, goals={OURS: 2.5}, **common),
        Case(name=f'{count} image files to normalised batches', prepare=batches, **common),
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


def prepare_batches(settings: Settings) -> Work:
    """Loads samples, and does to batches of them what a training step does first."""
    sides = {}
    for name, dataset in build(settings).items():
        preprocessor = build_preprocessor(name).to(settings.device)

        def call(dataset=dataset, preprocessor=preprocessor) -> list[Tensor]:
            samples = load(dataset, settings.pictures.count)
            batches = (samples[i : i + BATCH] for i in range(0, len(samples), BATCH))
            return [preprocessor(pseudo_collate(batch), True)['inputs'] for batch in batches]

        sides[name] = call
    return Work(sides=sides, check=check_batches)


def build_preprocessor(side: str) -> nn.Module:
    """What makes batches of ``side``'s samples: our config's, or mmdet's with its statistics."""
    path = config_folder() / 'centernet' / f'{CONFIGS["res"][18]}.py'
    ours = Config.fromfile(path).model.data_preprocessor
    if side == OURS:
        return MODELS.build(ours)
    plain = dict(type='mmdet.DetDataPreprocessor', mean=ours.mean, std=ours.std)
    return MODELS.build(plain)


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


def check_batches(side: str, output: list[Tensor], reference: list[Tensor]) -> str:
    """Normalised floats of the same shapes; crops and colours are random."""
    shapes, expected = ([tuple(batch.shape) for batch in x] for x in (output, reference))
    if shapes != expected:
        return f'batches of shapes {shapes} against {expected}'
    if not all(batch.is_floating_point() for batch in output):
        return 'batches that are not normalised'
    largest = max(float(batch.abs().max()) for batch in output)
    return '' if largest < LARGEST else f'values up to {largest:.3g}, which are not normalised'
