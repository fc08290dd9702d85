"""The 3D branches against numbers of the original code."""

import math

import numpy as np
import torch
from mmengine.structures import InstanceData

from centernet_plugin.models import CenterNetHead
from centernet_plugin.models.functional.geometry import affine_matrix, transform_boxes
from centernet_plugin.models.functional.multi_bin import CENTERS, inside_bins

ROWS = 50  # per image, to which the original pads
BRANCHES = [
    dict(type='centernet_plugin.DepthBranch', rows_per_image=ROWS),
    dict(type='centernet_plugin.OrientationBranch', rows_per_image=ROWS),
    dict(type='centernet_plugin.DimensionBranch', rows_per_image=ROWS),
    dict(type='centernet_plugin.SizeBranch', rows_per_image=ROWS, as_point=True),
    dict(type='centernet_plugin.OffsetBranch', rows_per_image=ROWS),
]
LABELS = {1: 0, 2: 1, 3: 2}  # of KITTI's categories
IGNORED = {4: (1,), 5: (1,), 6: (0,), 9: (0, 1, 2)}


def make_head(**settings):
    settings.setdefault('train_cfg', dict(crowd='gaussian'))
    return CenterNetHead(
        num_classes=3, in_channels=1, branches=BRANCHES, whole_sides=False, **settings
    )


def annotations(case):
    """Objects and what to ignore, in the network's input; and which rows are objects."""
    height, width = (int(n) for n in case['input_size_hw'])
    image_height, image_width = case['image_bgr'].shape[:2]
    center = np.array([image_width / 2, image_height / 2], np.float32)
    matrix = affine_matrix(center, image_width, 0, (width, height))
    xywh = case['boxes_xywh']
    boxes = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1).astype(np.float32)
    boxes = torch.from_numpy(transform_boxes(boxes, matrix))
    category = case['kitti_category']
    used = np.array([c in LABELS for c in category])

    def fields(name):
        return torch.from_numpy(case[name][used]).float()

    objects = InstanceData(
        bboxes=boxes[used],
        labels=torch.tensor([LABELS[c] for c in category[used]]),
        depths=fields('depth_m'),
        dimensions=fields('dimension_hwl_m'),
        alphas=fields('alpha'),
    )
    pairs = [(i, label) for i, c in enumerate(category) for label in IGNORED.get(c, ())]
    ignored = InstanceData(
        bboxes=boxes[[i for i, _ in pairs]], labels=torch.tensor([label for _, label in pairs])
    )
    return objects, ignored, used


def test_published_targets(steps):
    case = steps('kitti_targets_and_losses')
    objects, ignored, used = annotations(case)
    assert len(ignored) > 0
    targets = make_head().get_targets((32, 104), [objects], [ignored])
    np.testing.assert_allclose(targets.heatmap.dense()[0], case['heatmap'], atol=1e-5)
    assert ((case['heatmap'] > 0.99985) & (case['heatmap'] < 1)).any()

    on_map = (targets.weight > 0).numpy()
    rows = np.flatnonzero(used)[on_map]
    np.testing.assert_array_equal(np.flatnonzero(case['rotation_mask']), rows)
    index = (targets.cells[:, 1] * 104 + targets.cells[:, 0]).numpy()[on_map]
    np.testing.assert_array_equal(index, case['index'][rows])
    np.testing.assert_allclose(targets.sizes[on_map], case['size'][rows], atol=1e-5)
    offset = (targets.centers - targets.cells)[on_map]
    np.testing.assert_allclose(offset, case['offset'][rows], atol=1e-5)
    depth, orientation, dimension = make_head().branches[:3]
    np.testing.assert_allclose(depth.target(targets)[on_map], case['depth'][rows], rtol=1e-6)
    np.testing.assert_allclose(
        dimension.target(targets)[on_map], case['dimension'][rows], rtol=1e-6
    )
    alphas = orientation.target(targets)[on_map]
    inside = inside_bins(alphas[:, 0])
    np.testing.assert_array_equal(inside.numpy(), case['rotation_bin'][rows])
    residual = torch.where(inside, alphas - torch.tensor(CENTERS), 0)
    np.testing.assert_allclose(residual, case['rotation_residual'][rows], atol=1e-5)


def test_published_losses(steps):
    case = steps('kitti_targets_and_losses')
    objects, ignored, _ = annotations(case)
    names = dict(
        heatmap='hm', size='wh', offset='reg', depth='dep', dimension='dim', orientation='rot'
    )
    maps = {ours: torch.from_numpy(case[f'output.{name}']) for ours, name in names.items()}
    losses = make_head().loss_by_feat((maps,), [objects], [{}], [ignored])
    expected = {ours: case[f'loss.{name}_loss'] for ours, name in names.items() if name != 'reg'}
    expected |= dict(offset=case['loss.off_loss'], size=0.1 * expected['size'])
    # The original has the cross-entropies of the rows that it pads with as well: a constant.
    padded = ROWS - int(case['rotation_mask'].sum())
    expected['orientation'] -= 2 * math.log(2) * padded / ROWS
    for name, value in expected.items():
        np.testing.assert_allclose(losses[f'loss_{name}'].item(), value, rtol=1e-5, err_msg=name)


def test_published_decoding(steps):
    case = steps('decode_3d')
    names = ('size', 'offset', 'dimension')
    maps = {name: torch.from_numpy(case[name]) for name in names}
    maps |= dict(
        heatmap=torch.from_numpy(case['heatmap_logits']),
        depth=torch.from_numpy(case['depth_logits']),
        orientation=torch.from_numpy(case['rotation']),
    )
    k = int(case['topk'])
    test_cfg = dict(clip=False, topk=k, max_per_img=k)

    head = make_head(stride=1, test_cfg=test_cfg)
    found = head.predict_by_feat((maps,), [dict(img_shape=(24, 32))] * 2)
    for result, rows in zip(found, case['raw_x_y_score_rot8_depth_dim3_wh2_label'], strict=True):
        np.testing.assert_allclose(result.scores, rows[:, 2], atol=1e-5)
        np.testing.assert_allclose(result.depths, rows[:, 11], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(result.dimensions, rows[:, 12:15], atol=1e-5)
        np.testing.assert_array_equal(result.labels, rows[:, 17])
        assert 'locations' not in result and 'rotations_y' not in result

    width, height = (int(n) for n in case['image_size_wh'])
    scale = 4 * 32 / width
    left, top = 0.0, 4 * 24 / 2 - scale * height / 2
    meta = dict(
        img_shape=(96, 128),
        ori_shape=(height, width),
        scale_factor=(scale, scale),
        border=(top, top + scale * height, left, left + scale * width),
        cam2img=case['calib'],
    )
    (result,) = make_head(test_cfg=test_cfg).predict_by_feat(
        ({name: value[:1].double() for name, value in maps.items()},), [meta], rescale=True
    )
    expected = case['boxes_label_alpha_x1y1x2y2_hwl_xyz_ry_score']
    order = np.lexsort((-result.scores, result.labels))
    result = result[order]
    np.testing.assert_array_equal(result.labels, expected[:, 0])
    np.testing.assert_allclose(result.scores, expected[:, 13], atol=1e-5)

    def difference(angles, theirs):
        return np.abs(np.angle(np.exp(1j * (angles.numpy() - theirs))))

    assert difference(result.alphas, expected[:, 1]).max() < 2e-4
    assert difference(result.rotations_y, expected[:, 12]).max() < 2e-4
    np.testing.assert_allclose(result.dimensions, expected[:, 6:9], atol=2e-4)
    bottoms = result.locations.numpy() + np.outer(result.dimensions[:, 0] / 2, [0, 1, 0])
    np.testing.assert_allclose(bottoms, expected[:, 9:12], atol=2e-4)
    boxes = expected[:, 2:6]
    sound = (boxes[:, 2:] >= boxes[:, :2]).all(1)
    np.testing.assert_allclose(result.bboxes[sound], boxes[sound], atol=2e-4)
