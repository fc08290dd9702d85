"""Depth, dimension and orientation beyond parity: geometry there and back, mirrors, no camera."""

import math

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from centernet_plugin.errors import UserInputError
from centernet_plugin.models import CenterNetHead, DepthBranch, OrientationBranch, SizeBranch
from centernet_plugin.models.branches import Peaks
from centernet_plugin.models.functional.grid import GridToImage, camera_matrix
from centernet_plugin.models.functional.multi_bin import CENTERS, decode_multi_bin, wrap
from centernet_plugin.models.functional.targets import build_targets

P2 = np.array([[700.0, 0, 600, 40], [0, 690, 170, -0.3], [0, 0, 1, 0.004]])


def encode(angles):
    """The 8 values that a perfect network gives for angles (N,)."""
    values = []
    for center in CENTERS:
        distance = wrap(angles - center)
        near = (distance.abs() < math.pi / 2).float()
        values += [-near, near, distance.sin(), distance.cos()]
    return torch.stack(values, dim=-1)


@pytest.mark.parametrize('degrees', range(-180, 180, 15))
def test_every_angle_comes_back(degrees):
    angle = torch.tensor([math.radians(degrees)])
    decoded = decode_multi_bin(encode(angle))
    assert wrap(decoded - angle).abs().item() < 1e-5
    mirrored = OrientationBranch().flip(encode(angle).view(1, 8, 1, 1)).flatten(1)
    assert wrap(decode_multi_bin(mirrored) - (math.pi - angle)).abs().item() < 1e-5


def test_orientation_learns():
    torch.manual_seed(0)
    count = 12
    boxes = torch.tensor([[16.0 * i, 8, 16.0 * i + 12, 30] for i in range(count)])
    angles = torch.linspace(-3, 3, count)
    instances = InstanceData(
        bboxes=boxes, labels=torch.zeros(count, dtype=torch.int64), alphas=angles.clone()
    )
    instances.alphas[5] = math.nan
    targets = build_targets([instances], 1, (16, 50))
    maps = torch.zeros(1, 8, 16, 50, requires_grad=True)
    optimizer = torch.optim.Adam([maps], lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        loss = OrientationBranch().loss(maps, targets)
        loss.backward()
        optimizer.step()
    found = decode_multi_bin(targets.gather(maps))
    error = wrap(found - angles).abs()
    error[5] = 0
    assert error.max() < 0.05
    assert (targets.gather(maps)[5] == 0).all(), 'an unknown angle teaches nothing'


def test_depth_is_positive_and_averaged_in_metres():
    branch = DepthBranch()
    logits = torch.tensor([-30.0, -4, 0, 4, 30])
    depths = branch.activate(logits)
    assert depths.isfinite().all() and (depths > -1e-5).all() and (depths.diff() < 0).all()
    assert depths[2].item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize('rescale', [True, False])
def test_what_is_projected_is_located_where_it_was(rescale):
    """Whatever the input's scale and padding, and whichever pixels boxes are asked in."""
    points = torch.tensor([[[1.0, 1.5, 12.0], [-4.0, 1.0, 33.0]]], dtype=torch.float64)
    camera = torch.from_numpy(P2)
    projected = points @ camera[:, :3].T + camera[:, 3]
    pixels = projected[..., :2] / projected[..., 2:]
    scale, left, top = torch.tensor([0.5, 0.25]), 6, 10
    meta = dict(scale_factor=(0.5, 0.25), border=(top, 90, left, 600), cam2img=P2)
    cells = (pixels * scale + torch.tensor([left, top])) / 4
    to_image = GridToImage.from_metas([meta], 4, rescale, cells)
    # The network learns z, and the camera looks from a little behind it.
    depths = points[..., 2] + P2[2, 3]
    found = to_image.locate(to_image.points(cells), depths)
    torch.testing.assert_close(found, points, atol=1e-9, rtol=0)
    angles = to_image.ray_angles(to_image.points(cells))
    expected = torch.atan2(pixels[..., 0] - P2[0, 2], torch.tensor(P2[0, 0]))
    torch.testing.assert_close(angles, expected)


def test_without_a_camera_there_is_no_place_in_space():
    branches = [
        dict(type=f'centernet_plugin.{name}Branch')
        for name in ('Size', 'Depth', 'Dimension', 'Orientation')
    ]
    head = CenterNetHead(num_classes=1, in_channels=1, branches=branches)
    channels = dict(heatmap=1, size=2, depth=1, dimension=3, orientation=8)
    maps = {name: torch.zeros(2, c, 8, 8) for name, c in channels.items()}
    with_camera, without = dict(img_shape=(32, 32), cam2img=P2), dict(img_shape=(32, 32))
    (alone, _), (beside, lost), plain = (
        head.predict_by_feat((maps,), metas)
        for metas in ([with_camera] * 2, [with_camera, without], [without] * 2)
    )
    for result in (alone, beside, lost, *plain):
        assert {'depths', 'dimensions', 'alphas', 'bboxes'} <= set(result.keys())
        assert result.dimensions.shape == (64, 3) and result.depths.shape == (64,)
    for name in ('locations', 'rotations_y'):
        assert torch.equal(alone[name], beside[name]) and alone[name].isfinite().all()
        assert lost[name].isnan().all()
        assert not any(name in result for result in plain)


def test_matrices_of_cameras():
    full = torch.from_numpy(P2)
    assert torch.equal(camera_matrix(P2), full)
    assert torch.equal(camera_matrix(torch.cat([full, torch.eye(4)[3:]])), full)
    assert camera_matrix(P2[:, :3].tolist())[:, 3].tolist() == [0, 0, 0]
    assert camera_matrix(None).isnan().all()
    with pytest.raises(UserInputError, match=r'cam2img is \(4, 3\)'):
        camera_matrix(P2.T)
    for camera in (P2, np.vstack([P2, [0, 0, 0, 1]])):
        meta = dict(cam2img=camera, scale_factor=(0.5, 0.25))
        found = GridToImage.from_metas([meta], 4, False, torch.zeros(1, dtype=torch.float64))
        assert torch.equal(found.camera[0], full * torch.tensor([[0.5], [0.25], [1.0]]))


def test_sizes_sent_through_the_transform_of_points_are_no_less_than_nothing():
    branch = SizeBranch(as_point=True)
    peaks = Peaks(None, None, torch.zeros(1, 1, 2).long(), torch.full((1, 1, 2), 5.0))
    to_image = GridToImage.from_metas([dict(border=(9, 60, 0, 60))], 4, False, torch.zeros(1))
    boxes = branch.decode(torch.ones(1, 1, 2), peaks, to_image)['bboxes'][0, 0]
    assert boxes.tolist() == [18, 11, 22, 11]


def test_shadows_are_no_peaks_and_objects_lie_over_them():
    def one(box, label=0):
        return InstanceData(bboxes=torch.tensor([box]).float(), labels=torch.tensor([label]))

    ignored = InstanceData.cat([one([8, 8, 40, 40]), one([60, 60, 90, 90])])
    targets = build_targets(
        [one([8, 8, 40, 40])], 2, (32, 32), batch_ignored=[ignored], ignored_as='gaussian'
    )
    heatmap = targets.heatmap.dense()
    assert (heatmap == 1).nonzero().tolist() == [[0, 0, 6, 6]]
    assert heatmap[0, 0, 18, 18].item() == pytest.approx(0.9999)
    assert heatmap[0, 1].max() == 0 and targets.heatmap.ignore is None
    assert targets.heatmap.counts.sum() == 1


@pytest.mark.parametrize('whole, radius', [(True, 2), (False, 1)])
def test_sides_are_rounded_up_or_not(whole, radius):
    box = torch.tensor([[8.0, 8.0, 8 + 28.5, 8 + 28.5]])  # 7.125 cells, radius 1.95 or 2.19
    instances = InstanceData(bboxes=box, labels=torch.zeros(1, dtype=torch.int64))
    targets = build_targets([instances], 1, (16, 16), whole_sides=whole)
    assert targets.radii.tolist() == [radius]
