"""Non-maximum suppression and its soft form in plain PyTorch.

CenterNet needs none to detect; merging several scales uses the soft form. Signatures and results
are those of ``mmcv.ops``, so both can also stand in for mmcv's operators (``compat``).

Legend: N boxes in, M boxes out.
"""

import torch
from torch import Tensor

BLOCK = 1024  # boxes compared at once: bounds the memory of the overlap matrix


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int = 0) -> Tensor:
    """Greedy suppression of boxes that overlap a better one by more than ``iou_threshold``.

    Args:
        boxes (Tensor): (N, 4), x1 y1 x2 y2.
        scores (Tensor): (N,). Of equal ones the earlier goes first.
        iou_threshold (float): overlap up to which both stay.
        offset (int): 1 where a box of x1 == x2 is one pixel wide, else 0.

    Returns:
        Tensor: (M,) int64, indices of the boxes that stay, best score first.
    """
    _check(boxes, scores, offset)
    order = scores.argsort(descending=True, stable=True)
    boxes = boxes[order].float() if boxes.dtype != torch.float64 else boxes[order]
    kept_boxes, kept = boxes[:0], []
    for start in range(0, len(boxes), BLOCK):
        block = boxes[start : start + BLOCK]
        candidates = ~(_iou(block, kept_boxes, offset) > iou_threshold).any(dim=1)
        better = (_iou(block, block, offset) > iou_threshold).tril(-1)  # (box, better one)
        stay = _suppress(candidates, better)
        kept.append(order[start : start + BLOCK][stay])
        kept_boxes = torch.cat((kept_boxes, block[stay]))
    return torch.cat(kept) if kept else order


def soft_nms(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float = 0.3,
    sigma: float = 0.5,
    min_score: float = 1e-3,
    method: str = 'linear',
    offset: int = 0,
) -> tuple[Tensor, Tensor]:
    """Lowers the score of boxes that overlap a better one, instead of dropping them.

    The original CenterNet merges scales with ``method='gaussian', offset=1`` and these defaults
    otherwise, but leaves stale rows behind the result; they are not reproduced.

    Args:
        boxes (Tensor): (N, 4), x1 y1 x2 y2.
        scores (Tensor): (N,).
        iou_threshold (float): overlap from which ``'naive'`` and ``'linear'`` act.
        sigma (float): of ``'gaussian'``: the factor is exp(-iou^2 / sigma).
        min_score (float): boxes lowered below this are dropped.
        method (str): ``'naive'`` (factor 0), ``'linear'`` (1 - iou) or ``'gaussian'``.
        offset (int): 1 where a box of x1 == x2 is one pixel wide, else 0.

    Returns:
        tuple[Tensor, Tensor]: (M, 5) boxes and lowered scores, best first, and (M,) int64 their
        indices in ``boxes``.

    Raises:
        ValueError: unknown method, or shapes that do not fit each other.
    """
    _check(boxes, scores, offset)
    if method not in ('naive', 'linear', 'gaussian'):
        raise ValueError(f"method must be 'naive', 'linear' or 'gaussian', got {method!r}")
    left, left_scores = boxes, scores
    index = torch.arange(len(boxes), device=boxes.device)
    rows, indices = [], []
    while len(left):
        best = left_scores.argmax()
        box, score = left[best], left_scores[best]
        rows.append(torch.cat((box, score[None].to(box))))
        indices.append(index[best])
        iou = _iou(box[None], left, offset)[0]
        if method == 'gaussian':
            factor = torch.exp(-(iou**2) / sigma)
        else:
            lowered = 1 - iou if method == 'linear' else torch.zeros_like(iou)
            factor = torch.where(iou >= iou_threshold, lowered, 1)
        left_scores = left_scores * factor.to(left_scores)
        stay = ~(left_scores < min_score)
        stay[best] = False
        left, left_scores, index = left[stay], left_scores[stay], index[stay]
    if not rows:
        return boxes.new_zeros((0, 5)), index
    return torch.stack(rows), torch.stack(indices)


def _suppress(candidates, better):
    """Which candidates the greedy pass keeps; rows of ``better`` mark who suppresses them.

    Solves "stays = candidate and nobody better that overlaps stays" by iteration: after n rounds
    the n best boxes are final, usually all of them after a few.
    """
    better = better & candidates
    stay = candidates
    while True:
        after = candidates & ~(better & stay).any(dim=1)
        if torch.equal(after, stay):
            return stay
        stay = after


def _iou(a, b, offset):
    """(A, B) overlaps; NaN for two boxes without area."""
    size = (
        torch.minimum(a[:, None, 2:], b[:, 2:]) - torch.maximum(a[:, None, :2], b[:, :2])
    ) + offset
    intersection = size.clamp(min=0).prod(dim=-1)
    area_a, area_b = ((box[:, 2:] - box[:, :2] + offset).prod(dim=-1) for box in (a, b))
    return intersection / (area_a[:, None] + area_b - intersection)


def _check(boxes, scores, offset):
    if boxes.dim() != 2 or boxes.shape[1] != 4 or scores.shape != boxes.shape[:1]:
        raise ValueError(
            f'boxes must be (N, 4) and scores (N,), got {tuple(boxes.shape)} and '
            f'{tuple(scores.shape)}'
        )
    if offset not in (0, 1):
        raise ValueError(f'offset must be 0 or 1, got {offset}')
