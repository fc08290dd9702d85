"""Non-maximum suppression and its soft form in plain PyTorch.

CenterNet needs none to detect; merging several scales uses the soft form. Signatures and results
are those of ``mmcv.ops``, so both can also stand in for mmcv's operators (``compat``).

Legend: N boxes in, M boxes out, G groups of boxes (usually classes), L boxes in the largest.
"""

import torch
from torch import Tensor

METHODS = ('naive', 'linear', 'gaussian')
BLOCK = 1024  # boxes compared at once: bounds the memory of the overlap matrix
TABLE = 2**20  # soft-NMS computes up to so many factors (G, L, L) before it starts, ...
ROUNDS = 64  # ... and else looks after so many rounds which boxes are left
GONE = -torch.inf  # score of a dropped box


def nms(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    offset: int = 0,
    groups: Tensor | None = None,
) -> Tensor:
    """Greedy suppression of boxes that overlap a better one by more than ``iou_threshold``.

    Args:
        boxes (Tensor): (N, 4), x1 y1 x2 y2.
        scores (Tensor): (N,). Of equal ones the earlier goes first.
        iou_threshold (float): overlap up to which both stay.
        offset (int): 1 where a box of x1 == x2 is one pixel wide, else 0.
        groups (Tensor | None): (N,) int64; only boxes of the same group suppress each other.

    Returns:
        Tensor: (M,) int64, indices of the boxes that stay, best score first.
    """
    groups = _check(boxes, scores, offset, groups)
    order = scores.argsort(descending=True, stable=True)
    boxes, groups = boxes[order], groups[order]
    if boxes.dtype != torch.float64:
        boxes = boxes.float()

    def overlap(a, b):
        hit = _iou(boxes[a], boxes[b], offset) > iou_threshold
        return hit & (groups[a][:, None] == groups[b])

    kept = order[:0]  # positions in the sorted boxes
    for block in torch.arange(len(boxes), device=boxes.device).split(BLOCK):
        candidates = ~overlap(block, kept).any(dim=1)
        better = overlap(block, block).tril(-1)  # (box, better one)
        kept = torch.cat((kept, block[_suppress(candidates, better)]))
    return order[kept]


def soft_nms(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float = 0.3,
    sigma: float = 0.5,
    min_score: float = 1e-3,
    method: str = 'linear',
    offset: int = 0,
    groups: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Lowers the score of boxes that overlap a better one, instead of dropping them.

    The best box of a group lowers the others of the group, then the best of those left does, and so
    on. The original CenterNet merges scales with ``method='gaussian', offset=1`` and these defaults
    otherwise, but leaves stale rows behind the result; they are not reproduced.

    Args:
        boxes (Tensor): (N, 4), x1 y1 x2 y2.
        scores (Tensor): (N,). Of equal ones the earlier goes first.
        iou_threshold (float): overlap from which ``'naive'`` and ``'linear'`` act.
        sigma (float): of ``'gaussian'``: the factor is exp(-iou^2 / sigma).
        min_score (float): boxes below this are dropped, except the best of a group.
        method (str): ``'naive'`` (factor 0), ``'linear'`` (1 - iou) or ``'gaussian'``.
        offset (int): 1 where a box of x1 == x2 is one pixel wide, else 0.
        groups (Tensor | None): (N,) int64; only boxes of the same group lower each other.

    Returns:
        tuple[Tensor, Tensor]: (M, 5) boxes and lowered scores, best first, and (M,) int64 their
        indices in ``boxes``.

    Raises:
        ValueError: unknown method, or shapes that do not fit each other.
    """
    groups = _check(boxes, scores, offset, groups)
    if method not in METHODS:
        raise ValueError(f'method must be one of {METHODS}, got {method!r}')

    def factors(a, b):
        iou = _iou(a, b, offset)
        if method == 'gaussian':
            return torch.exp(-(iou**2) / sigma).to(scores)
        lowered = 1 - iou if method == 'linear' else torch.zeros_like(iou)
        return torch.where(iou >= iou_threshold, lowered, 1).to(scores)

    lowered = _lower(boxes, scores, groups, factors, min_score)
    order = lowered.argsort(descending=True, stable=True)
    index = order[: int((lowered != GONE).sum())]
    return torch.cat((boxes[index], lowered[index, None].to(boxes)), dim=1), index


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


def _lower(boxes, scores, groups, factors, min_score):
    """Scores after soft-NMS, ``GONE`` for dropped boxes.

    Every group is a row, and all rows advance in the same round. ``factors`` maps boxes (..., A, 4)
    and (..., B, 4) to (..., A, B).
    """
    result = torch.full_like(scores, GONE)
    left = groups.argsort(stable=True)
    while len(left):
        row, column, shape = _rows(groups[left])
        index = left.new_zeros(shape).index_put((row, column), left)  # (G, L)
        current = scores.new_full(shape, GONE).index_put((row, column), scores[left])
        row_boxes, flat_index = boxes[index], index.flatten()
        first = torch.arange(shape[0], device=boxes.device) * shape[1]
        table = None
        if shape[0] * shape[1] ** 2 <= TABLE:
            table = factors(row_boxes, row_boxes).flatten(0, 1)
        picked, values = [], []
        for _ in range(shape[1] if table is not None else min(shape[1], ROUNDS)):
            value, best = current.max(dim=1, keepdim=True)  # the first of equal ones
            cell = first + best[:, 0]
            picked.append(cell)
            values.append(value[:, 0])
            if table is not None:
                factor = table[cell]
            else:
                factor = factors(boxes[flat_index[cell], None], row_boxes)[:, 0]
            current = current * factor
            # Also drops what was gone already: GONE, or NaN where the factor is 0.
            current = torch.where(current >= min_score, current, GONE).scatter_(1, best, GONE)
        # Rows that were used up before the others picked boxes that are GONE: they change nothing.
        result.scatter_reduce_(0, flat_index[torch.cat(picked)], torch.cat(values), 'amax')
        if table is not None:
            break
        alive = current != GONE
        left = index[alive]
        scores = scores.index_put((left,), current[alive])
    return result


def _rows(groups):
    """Row (group) and column of every element of sorted ``groups``, and the shape they need."""
    position = torch.arange(len(groups), device=groups.device)
    new = torch.ones_like(groups, dtype=torch.bool)
    new[1:] = groups[1:] != groups[:-1]
    row = new.cumsum(0) - 1
    column = position - torch.where(new, position, 0).cummax(0).values
    return row, column, (torch.stack((row[-1], column.max())) + 1).tolist()


def _iou(a, b, offset):
    """(..., A, B) overlaps of (..., A, 4) and (..., B, 4); 0 where neither box has an area."""
    # Contiguous coordinates: half the time.
    ax1, ay1, ax2, ay2 = (side.contiguous()[..., :, None] for side in a.unbind(-1))
    bx1, by1, bx2, by2 = (side.contiguous()[..., None, :] for side in b.unbind(-1))
    width = (torch.minimum(ax2, bx2) - torch.maximum(ax1, bx1) + offset).clamp(min=0)
    height = (torch.minimum(ay2, by2) - torch.maximum(ay1, by1) + offset).clamp(min=0)
    intersection = width * height
    area_a = (ax2 - ax1 + offset) * (ay2 - ay1 + offset)
    area_b = (bx2 - bx1 + offset) * (by2 - by1 + offset)
    return (intersection / (area_a + area_b - intersection)).nan_to_num(0.0)


def _check(boxes, scores, offset, groups):
    """The groups: one for all where none are given."""
    if groups is None:
        groups = torch.zeros_like(scores, dtype=torch.long)
    if (
        boxes.dim() != 2
        or boxes.shape[1] != 4
        or not scores.shape == groups.shape == boxes.shape[:1]
    ):
        raise ValueError(
            f'boxes must be (N, 4), scores and groups (N,), got {tuple(boxes.shape)}, '
            f'{tuple(scores.shape)} and {tuple(groups.shape)}'
        )
    if offset not in (0, 1):
        raise ValueError(f'offset must be 0 or 1, got {offset}')
    return groups
