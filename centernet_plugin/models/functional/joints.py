"""Joints of persons, or key-points of anything: targets, and snapping (paper, section 4.2)."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .heatmap import HeatmapTarget, build_heatmap_target
from .peaks import find_peaks, gather_cells
from .targets import CenterTargets


@dataclass
class JointTargets:
    """Every joint of every object, each at its own cell.

    Legend: N objects, J joints, M = N J samples. Coordinates are in cells.

    Attributes:
        points: exact position (x, y), 0 where not on the map. (M, 2)
        cells: its cell. (M, 2), int64
        image, joint: image and kind of each. (M,), int64
        radii: gaussian radius of its object, -1 for a joint that is not annotated, not on the map,
            or of an object that is not on the map. (M,)
        shape: (B, J, H, W).
        max_radius, ignored: see :class:`CenterTargets`.
    """

    points: Tensor
    cells: Tensor
    image: Tensor
    joint: Tensor
    radii: Tensor
    shape: tuple[int, int, int, int]
    max_radius: int | None
    ignored: tuple[Tensor, Tensor] | None

    @property
    def valid(self) -> Tensor:
        """Which joints there are to learn. (M,), bool"""
        return self.radii >= 0

    @cached_property
    def heatmap(self) -> HeatmapTarget:
        """Gaussians at the joints, on one plane per image and kind."""
        ignored = None
        if self.ignored is not None:  # on the planes of all kinds
            image, boxes = self.ignored
            kinds = torch.arange(self.shape[1], device=image.device)
            planes = image[:, None] * self.shape[1] + kinds  # (R, J)
            ignored = planes.flatten(), boxes[:, None].expand(-1, len(kinds), -1).flatten(0, 1)
        return build_heatmap_target(
            self.image * self.shape[1] + self.joint,
            self.cells,
            self.radii,
            self.shape,
            max_radius=self.max_radius,
            ignored=ignored,
        )


def joint_targets(targets: CenterTargets, stride: int) -> JointTargets:
    """Joints of a batch from its field ``keypoints`` ((N, J, 2), input pixels, NaN if unknown).

    Made once for a batch, however many branches and stacks ask.
    """
    return targets.once(('joints', stride), lambda: _joint_targets(targets, stride))


def _joint_targets(targets: CenterTargets, stride: int) -> JointTargets:
    images, _, *size = targets.heatmap.shape
    points = targets.object_field('keypoints').float() / stride  # (N, J, 2)
    count, kinds = points.shape[:2]
    valid = on_map(points, size) & (targets.radii >= 0)[:, None]  # (N, J)
    points = torch.where(valid[..., None], points, 0).flatten(0, 1)
    return JointTargets(
        points=points,
        cells=points.long(),
        image=targets.object_image.repeat_interleave(kinds, output_size=count * kinds),
        joint=torch.arange(kinds, device=points.device).repeat(count),
        radii=torch.where(valid, targets.radii[:, None], -1).flatten(),
        shape=(images, kinds, *size),
        max_radius=targets.max_radius,
        ignored=targets.ignored,
    )


def on_map(points: Tensor, size: tuple[int, int]) -> Tensor:
    """Whether points (..., 2) in cells are on a map of ``size`` (H, W); NaN is not. (...), bool"""
    x, y = points.unbind(-1)
    return (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])


def find_joints(
    heatmap: Tensor, offset: Tensor | None, topk: int, kernel: int = 3
) -> tuple[Tensor, Tensor]:
    """Peaks of the joints' heat-map.

    Args:
        heatmap: probabilities. (B, J, H, W)
        offset: from a cell to the exact position, or None for the cell's middle. (B, 2, H, W)
        topk: P, peaks of each kind.
        kernel: side of the neighbourhood that a peak is the maximum of.

    Returns:
        Scores (B, J, P), -inf beyond the last peak, and positions in cells (B, J, P, 2).
    """
    images, kinds = heatmap.shape[:2]
    scores, _, cells = find_peaks(heatmap.flatten(0, 1)[:, None], topk, kernel)
    cells = cells.unflatten(0, (images, kinds))  # (B, J, P, 2)
    shift = 0.5
    if offset is not None:
        shift = gather_cells(offset, cells.flatten(1, 2)).unflatten(1, cells.shape[1:3])
    return scores.unflatten(0, (images, kinds)), cells + shift


def snap(
    joints: Tensor, boxes: Tensor, scores: Tensor, positions: Tensor, min_score: float, reach: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Replace regressed joints by the nearest peak of their kind, within the box and near enough.

    Legend: B images, K detections, J joints, P peaks of each kind. All in the same units.

    Args:
        joints: regressed. (B, K, J, 2)
        boxes: x1, y1, x2, y2. (B, K, 4)
        scores: of the peaks. (B, J, P)
        positions: of the peaks. (B, J, P, 2)
        min_score: peaks that do not exceed it do not exist.
        reach: largest distance, relative to the longer side of the box.

    Returns:
        Joints (B, K, J, 2), which of them are peaks (B, K, J), bool, and the scores of the nearest
        peaks (B, K, J).
    """
    distance = torch.linalg.vector_norm(
        joints.transpose(1, 2)[:, :, :, None] - positions[:, :, None], dim=-1
    )  # (B, J, K, P)
    distance = distance.masked_fill((scores <= min_score)[:, :, None], torch.inf)
    distance, nearest = distance.min(dim=-1)  # (B, J, K)
    distance = distance.transpose(1, 2)  # (B, K, J)
    peak = positions.gather(2, nearest[..., None].expand(-1, -1, -1, 2)).transpose(1, 2)
    score = scores.gather(2, nearest).transpose(1, 2)
    low, high = boxes[:, :, None, :2], boxes[:, :, None, 2:]
    longest = (high - low).amax(dim=-1)  # (B, K, 1)
    snapped = ((peak > low) & (peak < high)).all(-1) & (distance <= reach * longest)
    return torch.where(snapped[..., None], peak, joints), snapped, score


def swap_pairs(values: Tensor, pairs: list[tuple[int, int]], dim: int) -> Tensor:
    """Exchange left and right joints along a dimension."""
    joints = list(values.unbind(dim))  # no index: to bring one to a device would wait for it
    for a, b in pairs:
        joints[a], joints[b] = joints[b], joints[a]
    return torch.stack(joints, dim)


def check_flip_pairs(flip_pairs: list[tuple[int, int]], num_joints: int) -> None:
    """Fails unless these are pairs of different joints, each at most once.

    Raises:
        ValueError: names them.
    """
    if any(not isinstance(pair, (tuple, list)) or len(pair) != 2 for pair in flip_pairs):
        raise ValueError(f'flip_pairs must be pairs of joints, got {list(flip_pairs)}')
    flat = [joint for pair in flip_pairs for joint in pair]
    if len(set(flat)) != len(flat):
        raise ValueError(f'flip_pairs must name each joint once, got {list(flip_pairs)}')
    if any(not 0 <= joint < num_joints for joint in flat):
        raise ValueError(f'flip_pairs {list(flip_pairs)} name a joint that is not in {num_joints}')
