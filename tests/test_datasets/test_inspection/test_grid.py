import time

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from centernet_plugin.datasets.inspection.grid import (
    center_cells,
    grid_findings,
    grid_statistics,
    scale_findings,
)
from centernet_plugin.models.functional.targets import build_targets


def statistics(boxes, labels=None, image=None, size=(24, 16), **kwargs):
    """Of boxes given in cells of one map, or of equal maps."""
    boxes = 4 * np.array(boxes, np.float32).reshape(-1, 4)
    labels = np.zeros(len(boxes), int) if labels is None else np.array(labels)
    image = np.zeros(len(boxes), int) if image is None else np.array(image)
    return grid_statistics(boxes, labels, image, np.array([size] * 9), stride=4, **kwargs)


def centered(x, y, side=2.0):
    return [x - side / 2, y - side / 2, x + side / 2, y + side / 2]


def test_cells_are_those_of_the_head():
    rng = np.random.default_rng(0)
    sizes = [(24, 16), (9, 30)]
    low = rng.uniform(-20, 100, (400, 2))
    boxes = np.concatenate([low, low + rng.uniform(-3, 60, (400, 2))], axis=1).astype(np.float32)
    boxes[:2] = [[np.nan, 0, 9, 9], [0, 0, np.inf, 9]]
    boxes[2:5] = [[92, 4, 96, 12], [95, 60, 99, 70], [0, 0, 3, 3]]  # in the last cell, the first
    image = np.repeat([0, 1], 200)
    cells, valid = center_cells(boxes / np.float32(4), np.array(sizes, np.float32)[image] - 1)
    for i, (width, height) in enumerate(sizes):
        instances = InstanceData(
            bboxes=torch.from_numpy(boxes[image == i]), labels=torch.zeros(200, dtype=torch.int64)
        )
        targets = build_targets([instances], 1, (height, width))
        on_map = targets.weight.numpy() > 0
        assert 20 < on_map.sum() < 180
        assert (valid[image == i] == on_map).all()
        assert (cells[image == i][on_map] == targets.cells.numpy()[on_map]).all()


def test_objects_in_one_cell():
    # three of class 0, two of class 1 and one of class 2 in a cell; one elsewhere
    boxes = [centered(5.5, 5.5, side) for side in (2, 3, 4, 5, 6, 7)] + [centered(10, 10)]
    grid = statistics(boxes, [0, 0, 0, 1, 1, 2, 0])
    assert (grid.objects, grid.off_map) == (7, 0)
    assert (grid.same_class, grid.same_class_pairs) == (2 + 1, 3 + 1)
    assert (grid.other_class, grid.other_class_pairs) == (2, 15 - 4)
    assert grid.neighbours == 0
    apart = statistics(boxes, [0, 0, 0, 1, 1, 2, 0], image=range(7))
    assert (apart.same_class, apart.other_class) == (0, 0)
    assert statistics(boxes, [0, 0, 0, 1, 1, 2, 0], size=(9, 9)).off_map == 1


def test_copies_do_not_collide():
    grid = statistics([centered(5, 5)] * 3, [0, 0, 1])
    assert (grid.objects, grid.same_class, grid.other_class) == (2, 0, 1)


@pytest.mark.parametrize(
    ('step', 'pairs'),
    [((1, 0), 1), ((0, 1), 1), ((1, 1), 1), ((-1, 1), 1), ((2, 0), 0), ((0, 2), 0), ((2, -1), 0)],
)
def test_neighbouring_cells(step, pairs):
    boxes = [centered(5.5, 5.5), centered(5.5 + step[0], 5.5 + step[1])]
    assert statistics(boxes).neighbours == pairs
    assert statistics(boxes, [0, 1]).neighbours == 0
    assert statistics(boxes, image=[0, 1]).neighbours == 0


def test_the_right_end_of_a_row_is_no_neighbour_of_the_next():
    boxes = [centered(22.5, 5.5), centered(1.5, 6.5), [0, 6, 1, 7]]
    assert statistics(boxes[:2]).neighbours == 0
    assert statistics(boxes[1:]).neighbours == 1


def test_sizes_are_those_of_whole_objects():
    boxes = [centered(5, 5, 0.5), [5, 5, 6, 9], [-4, 2, 4, 6], [0, 8, 4, 12], [8, 8, 8, 12]]
    grid = statistics(boxes)
    assert (grid.objects, grid.off_map, grid.small) == (5, 1, 1)
    assert sorted(grid.side) == pytest.approx([0.5, 2, 4, 32**0.5])
    assert sorted(grid.smallest_side) == pytest.approx([0.5, 1, 4, 4])
    # Of a crop, those at the border may be cut.
    assert sorted(statistics(boxes, cropped=True).side) == pytest.approx([0.5, 2])


def test_nothing():
    grid = statistics([])
    assert (grid.objects, grid.same_class, grid.neighbours, grid.small) == (0, 0, 0, 0)
    assert grid_findings(grid, 'test', where='at test', larger='enlarge') == []
    assert scale_findings(grid, grid) == []


def test_sentences():
    boxes = [centered(5.5, 5.5), centered(5.5, 5.5, 3)]
    grid, finer = statistics(boxes), statistics([])
    (finding,) = grid_findings(grid, 'test', where='at test', larger='do this', finer=finer)
    assert finding.severity == 'warning' and finding.key == 'same-cell-test'
    assert finding.message == (
        '1 object at test (50 % of the objects) in the cell of another of the same class, where '
        'only one can be detected: do this, twice the resolution leaves 0.'
    )
    many = [centered(3 + 4 * (i % 5), 3 + 4 * (i // 5 % 3)) for i in range(135)]
    grid = statistics(boxes + many, image=[8, 8] + [i // 15 for i in range(135)])
    (finding,) = grid_findings(grid, 'test', where='at test', larger='do this')
    assert finding.severity == 'note' and '(0.73 % of the objects)' in finding.message
    (finding,) = grid_findings(
        statistics([centered(5.5, 5.5, 0.4)]), 'train', where='here', larger='do this'
    )
    assert finding.key == 'small-train'
    assert finding.message.endswith('do this, 2.5 times as large leaves 1 % of them.')


def test_scales_that_differ():
    grids = [statistics([centered(8, 8, side)]) for side in (4, 7.9, 8.1)]
    assert scale_findings(grids[0], grids[1]) == scale_findings(grids[1], grids[0]) == []
    for pair in (grids[::2], grids[::-2]):
        (finding,) = scale_findings(*pair)
        assert finding.key == 'scale-gap'
        assert f'{pair[0].side[0]:.1f} cells in training' in finding.message


def test_a_set_like_coco_takes_seconds():
    """No loop over 860,000 objects: some seconds here, against many of anything that loops."""
    rng = np.random.default_rng(0)
    number, images = 860_000, 118_000
    low = rng.uniform(0, 500, (number, 2))
    boxes = np.concatenate([low, low + rng.exponential(60, (number, 2))], axis=1)
    labels, image = rng.integers(0, 80, number), rng.integers(0, images, number)
    start = time.process_time()
    grid = grid_statistics(boxes, labels, image, np.full((images, 2), 160), stride=4)
    assert time.process_time() - start < 20
    assert grid.objects == number
    # of one class in one image: N (N - 1) / 2 / (I C) pairs, and about 125 x 125 cells
    expected = number**2 / 2 / images / 80 / 125**2
    assert 0.7 * expected < grid.same_class_pairs < 1.5 * expected
    assert 0.7 * 79 * expected < grid.other_class_pairs < 1.5 * 79 * expected
