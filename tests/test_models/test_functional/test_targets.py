import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.structures import InstanceData

from centernet_plugin.models.functional.targets import build_targets, clip_to_map


def instances(boxes, labels, **fields):
    return InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).view(-1, 4),
        labels=torch.tensor(labels, dtype=torch.int64),
        **fields,
    )


def test_clipping_drops_what_is_off_the_map():
    nan = float('nan')
    boxes = torch.tensor(
        [
            [-5.0, 2, 3, 4],  # over the edge
            [8.9, 0, 12, 3],  # visible part ends at the last cell's index
            [9.0, 0, 12, 3],  # nothing visible by the published rule
            [2, 2, 2, 5],  # no width
            [5, 5, 3, 3],  # reversed
            [nan, 0, 1, 1],
            [0, 0, float('inf'), 1],
        ]
    )
    clipped, valid = clip_to_map(boxes, (8, 10))
    assert valid.tolist() == [True, True, False, False, False, False, False]
    assert clipped[0].tolist() == [0, 2, 3, 4]
    assert clipped[1].tolist() == pytest.approx([8.9, 0, 9, 3])
    assert clipped.isfinite().all()


def test_two_objects_on_one_cell_are_both_regressed():
    batch = [instances([[0, 0, 80, 80], [20, 20, 60, 60]], [1, 1])]
    targets = build_targets(batch, 3, (32, 32))
    assert targets.cells.tolist() == [[10, 10], [10, 10]]
    assert targets.sizes.tolist() == [[20, 20], [10, 10]]
    assert targets.weight.tolist() == [1, 1]
    assert (targets.heatmap.dense() == 1).sum() == 1


def test_batch_is_the_same_as_its_images_one_by_one():
    images = [
        instances([[3, 5, 40, 60], [10, 10, 20, 25]], [0, 2]),
        instances([], []),
        instances([[0, 0, 100, 90]], [1]),
    ]
    together = build_targets(images, 3, (24, 28), neighbours=1)
    alone = [build_targets([image], 3, (24, 28), neighbours=1) for image in images]
    assert torch.equal(together.heatmap.dense(), torch.cat([t.heatmap.dense() for t in alone]))
    assert torch.equal(together.weight, torch.cat([t.weight for t in alone]))
    assert torch.equal(together.cells, torch.cat([t.cells for t in alone]))
    assert set(together.image.tolist()) == {0, 2}


def test_no_object_at_all():
    targets = build_targets([instances([], []), instances([], [])], 2, (4, 4))
    assert targets.heatmap.dense().shape == (2, 2, 4, 4) and targets.heatmap.dense().sum() == 0
    assert targets.gather(torch.zeros(2, 5, 4, 4)).shape == (0, 5)


def test_an_image_without_boxes_may_have_no_columns_either():
    empty = InstanceData(bboxes=torch.zeros(0), labels=torch.zeros(0, dtype=torch.int64))
    with_boxes = instances([[3, 5, 40, 60]], [0])
    targets = build_targets([empty, with_boxes, empty], 1, (24, 28))
    assert targets.image.tolist() == [1]
    assert build_targets([empty, empty], 1, (24, 28)).cells.shape == (0, 2)


def test_mmdet_boxes_are_taken():
    plain = instances([[3, 5, 40, 60]], [0])
    wrapped = InstanceData(bboxes=HorizontalBoxes(plain.bboxes), labels=plain.labels)
    a, b = (build_targets([x], 1, (24, 28)) for x in (plain, wrapped))
    assert torch.equal(a.heatmap.dense(), b.heatmap.dense()) and torch.equal(a.sizes, b.sizes)


def test_neighbours_share_the_object_and_its_gaussian():
    batch = [instances([[40, 40, 120, 120], [0, 0, 3, 3]], [0, 0])]
    targets = build_targets(batch, 1, (40, 40), neighbours=1)
    big = targets.objects == 0
    assert big.sum() == 9 and (targets.sizes[big] == 20).all()
    at_cell = targets.heatmap.dense()[0, 0, targets.cells[big][:, 1], targets.cells[big][:, 0]]
    assert torch.allclose(at_cell, targets.weight[big])
    # The small object's radius is 0: it keeps its centre cell only, and stays on the map.
    assert targets.weight[~big].tolist().count(0) == 8 and targets.weight[~big].sum() == 1
    assert (targets.cells >= 0).all()


def test_neighbours_off_the_map_or_of_objects_off_it_have_no_weight():
    """On a map that is wider than high, whose sides must not be mixed up."""
    boxes = [[0, 0, 24, 24], [-90, -90, -60, -60], [90, 10, 140, 60]]
    targets = build_targets([instances(boxes, [0, 0, 0])], 1, (20, 40), neighbours=5)
    corner, gone, right = (targets.objects == i for i in range(3))
    assert targets.weight[gone].sum() == 0
    # The first two have their centres at (3, 3) and (28, 8).
    weighted = targets.cells[corner & (targets.weight > 0)].tolist()
    assert len(weighted) == len({tuple(cell) for cell in weighted}) > 1
    assert targets.cells[right].amax(0).tolist() == [33, 13]
    for i in (corner, right):
        dense = targets.heatmap.dense()[0, 0]
        cells = targets.cells[i][targets.weight[i] > 0]
        assert torch.allclose(
            dense[cells[:, 1], cells[:, 0]], targets.weight[i][targets.weight[i] > 0]
        )


def test_neighbours_beyond_the_border_have_no_weight():
    """The gaussian of a thin box reaches over its sides, and here over the border."""
    batch = [instances([[0, 0, 56, 4.8]], [0])]
    targets = build_targets(batch, 1, (20, 40), neighbours=1)
    weighted = targets.cells[targets.weight > 0].tolist()
    assert len(weighted) == len({tuple(cell) for cell in weighted}) == 6


def test_crowds_without_regions_take_no_map():
    batch = [instances([[0, 0, 16, 16]], [0])]
    assert (
        build_targets(batch, 2, (12, 12), batch_ignored=[instances([], [])]).heatmap.ignore is None
    )


def test_ignored_region_covers_its_class_only():
    batch = [instances([[0, 0, 16, 16]], [0])]
    crowd = [instances([[17, 18, 31, 38]], [1])]  # touches cells 4 to 7 and 4 to 9
    targets = build_targets(batch, 2, (12, 12), batch_ignored=crowd)
    assert targets.heatmap.dense_ignore()[0, 0].sum() == 0
    assert targets.heatmap.dense_ignore()[0, 1].nonzero().tolist() == [
        [y, x] for y in range(4, 10) for x in range(4, 8)
    ]


@pytest.mark.parametrize('rule, overlap', [('historical', 0.7), ('corrected', 0.3)])
def test_boxes_larger_than_the_map_and_a_thousand_of_them(monkeypatch, rule, overlap):
    """What is drawn does not depend on knowing how large the windows have to be."""
    generator = torch.Generator().manual_seed(0)
    low = torch.rand(1000, 2, generator=generator) * 200 - 60
    boxes = torch.cat([low, low + torch.rand(1000, 2, generator=generator) * 300], dim=1)
    labels = torch.randint(3, (1000,), generator=generator)
    batch = [InstanceData(bboxes=boxes, labels=labels), instances([[-9, -9, 999, 999]], [0])]
    options = dict(num_classes=3, size=(20, 31), rule=rule, min_overlap=overlap)
    known = build_targets(batch, **options)
    for module in ('gaussian', 'heatmap', 'targets'):
        monkeypatch.setattr(
            f'centernet_plugin.models.functional.{module}.immediate', lambda x: False
        )
    unknown = build_targets(batch, **options)
    assert torch.equal(known.heatmap.dense(), unknown.heatmap.dense())
    assert torch.equal(known.heatmap.counts, unknown.heatmap.counts)


def test_published_targets(steps):
    """Image and annotations to network input and targets, as the published code makes them."""
    from centernet_plugin.datasets.transforms import FixResAffine

    case = steps('targets')
    size = tuple(int(n) for n in case['input_size'])
    xywh = case['boxes_xywh']
    boxes = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1).astype(np.float32)
    # Without random draws the training warp is the one of fixed-resolution testing.
    results = FixResAffine(size=size[::-1]).transform(
        dict(img=case['image_bgr'], img_shape=case['image_bgr'].shape[:2], gt_bboxes=boxes)
    )
    mean = np.array([0.40789654, 0.44719302, 0.47026115], np.float32)
    std = np.array([0.28863828, 0.27408164, 0.27809835], np.float32)
    image = ((results['img'].astype(np.float32) / 255 - mean) / std).transpose(2, 0, 1)
    np.testing.assert_allclose(image[:, 100:140, 100:140], case['input_crop'], atol=1e-5)
    # 65536 roundings of float32 per channel
    np.testing.assert_allclose(image.sum((1, 2), dtype=np.float64), case['input_sum'], atol=5e-2)

    batch = [
        InstanceData(
            bboxes=torch.from_numpy(results['gt_bboxes']), labels=torch.from_numpy(case['labels'])
        )
    ]
    grid = (size[0] // 4, size[1] // 4)
    targets = build_targets(batch, int(case['num_classes']), grid)
    mask = case['mask'].astype(bool)
    np.testing.assert_array_equal(targets.weight.numpy(), case['mask'])
    index = (targets.cells[:, 1] * grid[1] + targets.cells[:, 0]).numpy()
    np.testing.assert_array_equal(index[mask], case['index'][mask])
    np.testing.assert_allclose(targets.heatmap.dense()[0].numpy(), case['heatmap'], atol=1e-5)
    np.testing.assert_allclose(targets.sizes.numpy()[mask], case['size'][mask], atol=1e-5)
    offset = (targets.centers - targets.cells).numpy()
    np.testing.assert_allclose(offset[mask], case['offset'][mask], atol=1e-5)
