"""Heat-map of every joint, which regressed joints are snapped to."""

import torch
from mmengine.config import ConfigDict
from torch import Tensor

from ...errors import UserInputError
from ...registry import MODELS
from ..functional.grid import GridToImage
from ..functional.joints import (
    check_flip_pairs,
    find_joints,
    joint_targets,
    on_map,
    snap,
    swap_pairs,
)
from ..functional.targets import CenterTargets
from .base import Branch, Peaks
from .joints import check_num_joints


@MODELS.register_module()
class JointHeatmapBranch(Branch):
    """Peaks at the joints of all objects, whichever they belong to (paper, section 4.2).

    A regressed joint is replaced by the nearest peak of its kind that lies in the object's box.
    Needs a :class:`JointsBranch`, whose ``keypoints`` it moves, and a branch that gives ``bboxes``.
    Gives ``keypoint_scores`` (K, J): the peak's, or for a joint that stays where it was regressed
    the heat-map's value there.

    Args:
        num_joints: J.
        flip_pairs: pairs of joints that a mirror exchanges.
        offset: name of the branch with the position within the cell; None: peaks lie in the middle
            of their cells.
        topk: peaks of each joint per image.
        min_score: a peak that does not exceed it is none.
        reach: largest distance of a peak, relative to the longer side of the box.
        name, flip_test: see :class:`Branch`.
        loss: of the heat-map on logits; default: the published one, whatever that of the centres.
    """

    default_loss = dict(type='centernet_plugin.HeatmapFocalLoss')
    is_heatmap = True

    def __init__(
        self,
        *,
        num_joints: int,
        flip_pairs: list[tuple[int, int]] = (),
        offset: str | None = 'joint_offset',
        topk: int = 100,
        min_score: float = 0.1,
        reach: float = 0.3,
        name: str = 'joint_heatmap',
        loss: dict | ConfigDict | None = None,
        flip_test: str = 'average',
    ) -> None:
        super().__init__(name=name, channels=num_joints, loss=loss, flip_test=flip_test)
        check_flip_pairs(flip_pairs, num_joints)
        self.num_joints, self.flip_pairs = num_joints, [tuple(pair) for pair in flip_pairs]
        self.offset = offset
        self.topk, self.min_score, self.reach = topk, min_score, reach

    def activate(self, values: Tensor) -> Tensor:
        return values.sigmoid()

    def loss(self, prediction: Tensor, targets: CenterTargets) -> Tensor:
        check_num_joints(targets.object_field('keypoints'), self)
        return targets.heatmap_loss(
            self.loss_module, prediction, joint_targets(targets, self.stride).heatmap
        )

    def decode(self, values: Tensor, peaks: Peaks, to_image: GridToImage) -> dict[str, Tensor]:
        return {}

    def adjust(
        self, fields: dict[str, Tensor], maps: dict[str, Tensor], to_image: GridToImage
    ) -> None:
        self._check(fields, maps)
        heatmap, regressed = maps[self.name], fields['keypoints']
        offset = None if self.offset is None else maps[self.offset]
        scores, positions = find_joints(heatmap, offset, self.topk)
        fields['keypoints'], snapped, score = snap(
            regressed,
            fields['bboxes'],
            scores,
            to_image.points(positions),
            self.min_score,
            self.reach,
        )
        there = read_at(heatmap, to_image.cells(regressed))  # (B, K, J)
        fields['keypoint_scores'] = torch.where(snapped, score, there)

    def _check(self, fields: dict[str, Tensor], maps: dict[str, Tensor]) -> None:
        """Raises where the head has not the other branches that this one needs."""
        this = f"JointHeatmapBranch '{self.name}'"
        for name in ('keypoints', 'bboxes'):
            if name not in fields:
                raise UserInputError(
                    f"{this} needs '{name}' of the detections; add a JointsBranch and a SizeBranch "
                    'to the branches of the head'
                )
        if self.offset is not None and self.offset not in maps:
            raise UserInputError(
                f"{this} has offset='{self.offset}', but the head has no branch of that name; add "
                'a JointOffsetBranch, or set offset=None for the middle of the cells'
            )
        check_num_joints(fields['keypoints'], self)

    def flip(self, feature: Tensor) -> Tensor:
        return swap_pairs(feature.flip(-1), self.flip_pairs, dim=1)


def read_at(heatmap: Tensor, points: Tensor) -> Tensor:
    """Values of the cells that points are in, 0 off the map.

    Args:
        heatmap: (B, J, H, W).
        points: in cells. (B, K, J, 2)

    Returns:
        Values. (B, K, J)
    """
    height, width = heatmap.shape[2:]
    points = points.transpose(1, 2)  # (B, J, K, 2)
    inside = on_map(points, (height, width))
    x, y = points.floor().unbind(-1)
    index = torch.where(inside, y * width + x, 0).long()
    return (heatmap.flatten(2).gather(2, index) * inside).transpose(1, 2)
