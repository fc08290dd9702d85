"""What the pipeline makes of some images: the input of the network and the objects in it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData

from ..transforms.pack_det_inputs import colored
from .annotations import Annotations, class_names
from .finding import Finding, count_of, percent

EMPTY = 0.5  # share of samples without objects that is too many


@dataclass
class Sample:
    """One image after the pipeline. Legend: N objects.

    Attributes:
        path: file.
        size: (width, height) of the input.
        boxes: x1, y1, x2, y2 in input pixels. (N, 4), float32
        labels: classes. (N,), int64
        ignored: whether each is a crowd or to be ignored. (N,), bool
        image: the input as a picture, uint8 (H, W, 3) BGR, or None where nobody wants it.
        geometry: ``scale_factor`` and ``border`` where the pipeline packs them.
    """

    path: str
    size: tuple[int, int]
    boxes: np.ndarray
    labels: np.ndarray
    ignored: np.ndarray
    image: np.ndarray | None = None
    geometry: dict = field(default_factory=dict)

    def instances(self, ignored: bool) -> InstanceData:
        """The objects, or those to be ignored, as a head takes them."""
        keep = self.ignored == ignored
        return InstanceData(
            bboxes=torch.from_numpy(self.boxes[keep]), labels=torch.from_numpy(self.labels[keep])
        )


def draw_samples(
    dataset,
    number: int,
    *,
    pictures: int = 0,
    seed: int = 0,
    first: Sequence[int] = (),
    again: bool = True,
    advance: Callable[[], None] = lambda: None,
) -> tuple[list[Sample], list[str]]:
    """Run the pipeline on images chosen by chance.

    Args:
        dataset: with a pipeline that ends in PackDetInputs.
        number: of samples.
        pictures: keep the pictures of the first ones.
        seed: of everything random, also that of the pipeline.
        first: images to begin with.
        again: let an image occur more than once where the set has fewer.
        advance: called after each.

    Returns:
        The samples, and the errors of those that failed.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    order = np.random.default_rng(seed).permutation(len(dataset))
    order = np.concatenate([np.array(first, np.int64), order[~np.isin(order, first)]])
    order = np.resize(order, number) if again and len(order) else order[:number]
    norm = _normalisation(dataset)
    samples, failures = [], []
    for index in order.tolist():
        try:
            samples.append(_sample(dataset[index], norm, len(samples) < pictures))
        except Exception as error:  # whatever a pipeline may raise
            failures.append(f'{type(error).__name__}: {str(error).splitlines()[0][:300]}')
        advance()
    return samples, failures


def join_samples(samples: Sequence[Sample], dataset) -> Annotations:
    """The samples as a set of their own; sizes are those of the inputs."""
    return Annotations(
        paths=[sample.path for sample in samples],
        ids=list(range(len(samples))),
        sizes=np.array([sample.size for sample in samples], np.int64).reshape(-1, 2),
        image=np.repeat(np.arange(len(samples)), [len(s.labels) for s in samples]),
        boxes=np.concatenate([np.zeros((0, 4), np.float32)] + [s.boxes for s in samples]),
        labels=np.concatenate([np.zeros(0, np.int64)] + [s.labels for s in samples]),
        ignored=np.concatenate([np.zeros(0, bool)] + [s.ignored for s in samples]),
        classes=class_names(dataset),
    )


def sample_findings(samples: Sequence[Sample], failures: list[str], empty: float) -> list[Finding]:
    """Whether the training pipeline runs, and whether objects come out of it.

    Args:
        samples, failures: from :func:`draw_samples`.
        empty: share of the images that have no object to begin with.
    """
    findings = []
    if failures:
        number = count_of(len(failures), 'sample')
        findings.append(
            Finding(
                'error',
                'pipeline',
                f'The pipeline fails on {number} of {len(failures) + len(samples)}, as a run '
                'would: see to the first error.',
                len(failures),
                tuple(dict.fromkeys(failures))[:3],
            )
        )
    without = sum(not len(sample.labels) for sample in samples)
    if samples and without / len(samples) > max(EMPTY, 2 * empty):
        findings.append(
            Finding(
                'warning',
                'empty-samples',
                f'{percent(without, len(samples))} of the training samples show no object: look at '
                'the pictures, and at scales and border of the crop.',
                without,
            )
        )
    return findings


def _sample(data: dict, norm: tuple | None, picture: bool) -> Sample:
    inputs, packed = data['inputs'], data['data_samples']
    parts = [packed.gt_instances, packed.get('ignored_instances', InstanceData())]
    if 'bboxes' not in parts[0]:
        raise ValueError('no boxes come out of it: it lacks LoadAnnotations(with_bbox=True)')
    parts = [part for part in parts if 'bboxes' in part]
    return Sample(
        path=packed.metainfo.get('img_path', ''),
        size=(inputs.shape[2], inputs.shape[1]),
        boxes=np.concatenate(
            [get_box_tensor(p.bboxes).numpy().reshape(-1, 4).astype(np.float32) for p in parts]
        ),
        labels=np.concatenate([np.asarray(p.labels, np.int64) for p in parts]),
        ignored=np.repeat([False, True][: len(parts)], [len(p) for p in parts]),
        image=_picture(colored(inputs.numpy(), packed), norm) if picture else None,
        geometry={key: packed.metainfo[key] for key in ('scale_factor', 'border') if key in packed},
    )


def _picture(inputs: np.ndarray, norm: tuple | None) -> np.ndarray:
    """(C, H, W) as the pipeline packs it -> uint8 (H, W, 3) BGR"""
    image = inputs.transpose(1, 2, 0)
    if norm is not None:
        mean, std, to_rgb = norm
        image = image * std + mean
        image = image[..., ::-1] if to_rgb else image
    image = np.round(image).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image)


def _normalisation(dataset) -> tuple | None:
    """Mean, std and channel order of a Normalize in the pipeline; usually the model has them."""
    while not hasattr(dataset, 'pipeline') and hasattr(dataset, 'dataset'):
        dataset = dataset.dataset
    if not hasattr(dataset, 'pipeline') and getattr(dataset, 'datasets', ()):
        return _normalisation(dataset.datasets[0])
    steps = getattr(dataset, 'pipeline', ())
    for step in getattr(steps, 'transforms', steps):
        if type(step).__name__ == 'Normalize':
            return step.mean, step.std, step.to_rgb
    return None
