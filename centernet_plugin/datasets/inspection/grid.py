"""What the cells of the heat-map do to a set: centres that share one, objects too small for one.

The paper counts 614 colliding pairs among COCO's 860,001 training objects (section 3).
"""

from dataclasses import dataclass

import numpy as np

from .finding import Finding, count_of, percent
from .rows import first_of_each, group_sizes, keys

MANY = 0.01  # share of the objects from which on a loss is worth a warning
RATIO = 2.0  # of the object sizes in training and test that is worth one


@dataclass
class GridStatistics:
    """Objects on the grid.

    Attributes:
        objects: number of objects, copies of a box not counted.
        off_map: of them, those without any extent on the map; the head leaves them out.
        same_class: those on the map that share their cell with one of their class and cannot be
            detected for it: k in a cell are k - 1.
        same_class_pairs: the same, as pairs: k (k - 1) / 2.
        other_class: those whose cell one of another class has as well; both are detected, with one
            size and offset for the two. k classes in a cell are k - 1.
        other_class_pairs: pairs of different classes in a cell.
        neighbours: pairs of cells side by side, also diagonally, with centres of one class; the
            lower peak is taken for the flank of the higher.
        small: objects less than one cell wide or high.
        side: root of the area in cells, of whole objects. (M,)
        smallest_side: the shorter side in cells, of whole objects. (M,)
    """

    objects: int
    off_map: int
    same_class: int
    same_class_pairs: int
    other_class: int
    other_class_pairs: int
    neighbours: int
    small: int
    side: np.ndarray
    smallest_side: np.ndarray


def grid_statistics(
    boxes: np.ndarray,
    labels: np.ndarray,
    image: np.ndarray,
    map_sizes: np.ndarray,
    *,
    stride: int = 4,
    cropped: bool = False,
) -> GridStatistics:
    """Place objects on the grid as the head does. Legend: N objects, I images.

    Args:
        boxes: x1, y1, x2, y2 in pixels of the network input. (N, 4)
        labels: classes. (N,)
        image: image of each object. (N,)
        map_sizes: (width, height) of each image's map in cells. (I, 2)
        stride: input pixels per cell.
        cropped: a box that ends at the border of the input may have been cut there, and says
            nothing of its object's size.
    """
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4) / np.float32(stride)
    first = np.sort(first_of_each(np.column_stack([image, labels, boxes.astype(np.float64)])))
    boxes, labels, image = boxes[first], labels[first], image[first]
    limit = np.asarray(map_sizes, np.float32)[image] - 1  # (N, 2)
    cells, valid = center_cells(boxes, limit)

    sides = boxes[:, 2:] - boxes[:, :2]
    at_border = ((boxes[:, :2] <= 0) | (boxes[:, 2:] >= limit + 1)).any(1)
    whole = sides[valid & ~(at_border & cropped)]
    x, y = cells[valid].T
    on_map = np.stack([image[valid], labels[valid], y, x], axis=1)
    of_class = group_sizes(on_map)
    of_cell = group_sizes(on_map[:, [0, 2, 3]])
    same_pairs = int((of_class * (of_class - 1) // 2).sum())
    all_pairs = int((of_cell * (of_cell - 1) // 2).sum())
    return GridStatistics(
        objects=len(boxes),
        off_map=int((~valid).sum()),
        same_class=int((of_class - 1).sum()),
        same_class_pairs=same_pairs,
        other_class=len(of_class) - len(of_cell),
        other_class_pairs=all_pairs - same_pairs,
        neighbours=_neighbours(on_map),
        small=int((whole < 1).any(1).sum()),
        side=np.sqrt(whole.prod(1)),
        smallest_side=whole.min(1) if len(whole) else np.zeros(0, np.float32),
    )


def center_cells(boxes: np.ndarray, limit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cell (x, y) of each object's visible centre, and whether it is on the map at all.

    The same as :func:`~centernet_plugin.models.functional.targets.clip_to_map`, for maps of
    different sizes.

    Args:
        boxes: x1, y1, x2, y2 in cells. (N, 4), float32
        limit: largest index (x, y) of each object's map. (N, 2)
    """
    finite = np.isfinite(boxes).all(1)
    boxes = np.nan_to_num(boxes, posinf=0, neginf=0)
    low, high = (np.clip(corner, 0, limit) for corner in (boxes[:, :2], boxes[:, 2:]))
    valid = finite & (high > low).all(1)
    return ((low + high) / 2).astype(np.int64), valid


def _neighbours(on_map: np.ndarray) -> int:
    """Pairs of neighbouring cells with centres of one class. on_map: image, label, y, x. (N, 4)"""
    if not len(on_map):
        return 0
    shifted = on_map + [0, 0, 1, 1]  # a margin, so that the steps stay within the image
    base = shifted.max(0) + 2
    there = np.unique(keys(shifted, base))
    width = base[3]
    steps = (1, width - 1, width, width + 1)
    return int(sum(np.isin(there + step, there, assume_unique=True).sum() for step in steps))


def grid_findings(
    grid: GridStatistics,
    phase: str,
    *,
    where: str,
    larger: str,
    finer: GridStatistics | None = None,
) -> list[Finding]:
    """What is lost on the grid, and what could be done.

    Args:
        grid: of the whole set at test, or of a sample of the training.
        phase: which of the two, the end of the findings' keys.
        where: the same, in words.
        larger: what to change for a finer grid, in words.
        finer: statistics at twice the resolution.
    """
    on_map = grid.objects - grid.off_map

    def found(severity: str, key: str, number: int, noun: str, what: str, then: str) -> Finding:
        share = f'{count_of(number, noun)} {where} ({percent(number, on_map)} of the objects)'
        return Finding(severity, f'{key}-{phase}', f'{share} {what}: {then}.', number)

    findings = []
    if grid.same_class:
        left = f', twice the resolution leaves {finer.same_class:,}' if finer else ''
        what = 'in the cell of another of the same class, where only one can be detected'
        severity, number = _severity(grid.same_class, on_map), grid.same_class
        findings.append(found(severity, 'same-cell', number, 'object', what, larger + left))
    if grid.other_class:
        what = 'in the cell of one of another class, with which it shares size and offset'
        severity, number = _severity(grid.other_class, on_map), grid.other_class
        then = f'{larger}, if their boxes differ'
        findings.append(found(severity, 'shared-cell', number, 'object', what, then))
    if grid.neighbours > MANY * on_map:
        what = 'of one class in neighbouring cells, where one peak may hide the other'
        findings.append(found('note', 'close', grid.neighbours, 'pair', what, larger))
    if grid.small:
        factor = 1 / max(float(np.quantile(grid.smallest_side, MANY)), 1e-3)
        left = f', {factor:.1f} times as large leaves 1 % of them' if factor > 1 else ''
        what = 'less than one cell wide or high, too small for the grid'
        severity, number = _severity(grid.small, on_map), grid.small
        findings.append(found(severity, 'small', number, 'object', what, larger + left))
    return findings


def scale_findings(training: GridStatistics, test: GridStatistics) -> list[Finding]:
    """Whether objects have about the same size in training and test."""
    if not len(training.side) or not len(test.side):
        return []
    sizes = float(np.median(training.side)), float(np.median(test.side))
    ratio = max(sizes) / max(min(sizes), 1e-6)
    if ratio < RATIO:
        return []
    return [
        Finding(
            'warning',
            'scale-gap',
            f'A median object has {sizes[0]:.1f} cells in training and {sizes[1]:.1f} at test: '
            'bring scale and size of the two pipelines together, for what is learnt at one size is '
            'not found at another.',
        )
    ]


def _severity(number: int, objects: int) -> str:
    return 'warning' if number > MANY * objects else 'note'
