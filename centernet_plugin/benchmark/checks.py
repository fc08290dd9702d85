"""Whether two sides computed the same thing: '' if they did, else how they differ."""

from collections.abc import Mapping

import torch
from mmengine.structures import InstanceData
from torch import Tensor


def differ(name: str, value: Tensor, reference: Tensor, *, tolerance: float) -> str:
    """Compares tensors by their largest difference, relative to the largest reference value."""
    if value.shape != reference.shape:
        return f'{name}: shape {tuple(value.shape)} against {tuple(reference.shape)}'
    value, reference = value.detach().float(), reference.detach().float()
    if not value.numel():
        return ''
    difference = float((value - reference).abs().max() / reference.abs().max().clamp(min=1e-12))
    if difference <= tolerance:  # False for NaN
        return ''
    return f'{name}: differs by {difference:.2g} of its largest value, more than {tolerance:g}'


def differ_by_name(
    values: Mapping[str, Tensor], references: Mapping[str, Tensor], *, tolerance: float
) -> str:
    """:func:`differ` of tensors of the same names."""
    if set(values) != set(references):
        return f'{sorted(values)} against {sorted(references)}'
    found = (differ(k, values[k], references[k], tolerance=tolerance) for k in references)
    return '; '.join(filter(None, found))


def differ_in_detections(
    results: list[InstanceData],
    references: list[InstanceData],
    *,
    score: float = 1e-6,
    pixels: float = 1e-3,
) -> str:
    """Compares the detections of every image, up to ties.

    Of equal scores, either side may have any order, and where they are the lowest, any choice.

    Args:
        results, references: ``scores``, ``labels`` and ``bboxes`` of each image.
        score, pixels: what still counts as equal.
    """
    if len(results) != len(references):
        return f'{len(results)} images against {len(references)}'
    for i, (result, reference) in enumerate(zip(results, references, strict=True)):
        found = _differ_in_image(result, reference, score, pixels)
        if found:
            return f'image {i}: {found}'
    return ''


def _differ_in_image(
    result: InstanceData, reference: InstanceData, score: float, pixels: float
) -> str:
    if len(result) != len(reference):
        return f'{len(result)} detections against {len(reference)}'
    if not len(result):
        return ''
    ours, theirs = (x.scores.float().sort(descending=True).values for x in (result, reference))
    difference = float((ours - theirs).abs().max())
    if not difference <= score:
        return f'scores differ by {difference:.2g}, more than {score:g}'
    lowest = theirs[-1] + 2 * score  # below this, the choice among ties is free
    for one, other in ((result, reference), (reference, result)):
        same = (one.scores[:, None] - other.scores).abs() <= score
        same &= one.labels[:, None] == other.labels
        same &= (one.bboxes[:, None] - other.bboxes).abs().amax(-1) <= pixels  # (K, K)
        alone = ~same.any(1) & (one.scores > lowest)
        if alone.any():
            worst = int(torch.nonzero(alone)[0])
            return f'detection {worst} of score {float(one.scores[worst]):.4f} is on one side only'
    return ''
