"""Where the images of a set lie in the network's input at test, and what is decoded from there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from mmengine.dataset import Compose

from .finding import Finding

SKIPPED = ('Load', 'Pack', 'Inferencer')  # transforms that a blank image does not need
MOST_SIZES = 3000  # image sizes to try; the rarest beyond are left out
LARGE = 2048**2  # pixels of an input that wants a thought


@dataclass
class Placement:
    """``input = image * scale + shift``, for each image. Legend: I images.

    Attributes:
        scale: (x, y). (I, 2), float64
        shift: (x, y), in input pixels. (I, 2), float64
        size: (width, height) of the input, padded as the preprocessor does. (I, 2), int64
        known: whether this was found out. (I,), bool
    """

    scale: np.ndarray
    shift: np.ndarray
    size: np.ndarray
    known: np.ndarray


def probe_pipeline(
    pipeline: Sequence[dict],
    sizes: np.ndarray,
    *,
    divisor: int = 1,
    advance: Callable[[int], None] = lambda images: None,
) -> Placement:
    """Send a blank image of each size through the pipeline and read where it went.

    Args:
        pipeline: config of the test pipeline.
        sizes: (width, height) of the images; 0 where it is not known. (I, 2)
        divisor: sides of the input are padded at the right and bottom to multiples of this.
        advance: called with the number of images of each size.

    Raises:
        Exception: whatever the pipeline raises on a blank image.
    """
    kinds, kind, counts = np.unique(sizes, axis=0, return_inverse=True, return_counts=True)
    geometry, known = np.zeros((len(kinds), 6)), np.zeros(len(kinds), bool)
    steps = Compose([step for step in pipeline if not _name(step).startswith(SKIPPED)])
    # Some transforms ask for the type that the loading would give.
    dtype = np.float32 if any(step.get('to_float32') for step in pipeline) else np.uint8
    for i in np.argsort(-counts, kind='stable')[:MOST_SIZES]:
        if (kinds[i] > 0).all():
            width, height = kinds[i].tolist()
            results = steps(_blank(width, height, dtype))
            if results is None:
                raise ValueError(f'the test pipeline rejects a blank image of {width} x {height}')
            top, _, left, _ = results.get('border', (0, 0, 0, 0))
            inputs = np.array(results['img'].shape[1::-1])
            padded = -(-inputs // divisor) * divisor
            geometry[i] = *results.get('scale_factor', (1, 1))[:2], left, top, *padded
            known[i] = True
        advance(int(counts[i]))
    geometry = geometry[kind.reshape(-1)]
    return Placement(
        scale=geometry[:, :2],
        shift=geometry[:, 2:4],
        size=geometry[:, 4:].astype(np.int64),
        known=known[kind.reshape(-1)],
    )


def place_boxes(boxes: np.ndarray, image: np.ndarray, placement: Placement) -> np.ndarray:
    """Boxes (N, 4) of images (N,) in input pixels."""
    scale, shift = placement.scale[image], placement.shift[image]
    return boxes * np.tile(scale, 2) + np.tile(shift, 2)


def pipeline_findings(pipeline: Sequence[dict], placement: Placement) -> list[Finding]:
    """Whether what the head needs for the way back is packed, and inputs that are very large."""
    findings = []
    packed = [step for step in pipeline if _name(step) == 'PackDetInputs']
    keys = packed[-1].get('meta_keys', ('scale_factor',)) if packed else ()
    scaled = (placement.scale[placement.known] != 1).any()
    shifted = (placement.shift[placement.known] != 0).any()
    for key, needed, does in (
        ('scale_factor', scaled, 'scales'),
        ('border', shifted, 'pads on the left or top'),
    ):
        if packed and needed and key not in keys:
            findings.append(
                Finding(
                    'error',
                    f'meta-{key.replace("_", "-")}',
                    f"The test pipeline {does}, but does not pack '{key}', so that detections come "
                    f"out in the wrong place: add '{key}' to meta_keys of PackDetInputs.",
                )
            )
    pixels = placement.size.prod(1)
    if pixels.max(initial=0) > LARGE:
        largest = ' x '.join(map(str, placement.size[pixels.argmax()]))
        findings.append(
            Finding(
                'note',
                'large-inputs',
                f'{int((pixels > LARGE).sum()):,} test inputs are large (up to {largest}): if '
                'memory or time do not suffice, scale them down in the test pipeline.',
                int((pixels > LARGE).sum()),
            )
        )
    return findings


def _blank(width: int, height: int, dtype: type) -> dict:
    shape = (height, width)
    return dict(
        img=np.zeros((*shape, 3), dtype),
        img_path='blank',
        img_id=0,
        img_shape=shape,
        ori_shape=shape,
        height=height,
        width=width,
    )


def _name(step: dict) -> str:
    return str(step.get('type', '')).rpartition('.')[2]
