"""Joints as offsets from the centre."""

import torch
from torch import Tensor

from ...errors import UserInputError
from ...registry import MODELS
from ..functional.grid import GridToImage
from ..functional.joints import check_flip_pairs, on_map, swap_pairs
from ..functional.targets import CenterTargets
from .base import Branch, Peaks


@MODELS.register_module()
class JointsBranch(Branch):
    """Offset (x, y) of every joint from the centre's cell, in cells (paper, section 4.2).

    Trains on the field ``keypoints`` (N, J, 2), NaN where a joint is not annotated. Gives
    ``keypoints`` (K, J, 2) in image pixels.

    Args:
        num_joints: J.
        flip_pairs: pairs of joints that a mirror exchanges.
        published_flip: mirror offsets as the published test does, by their sign alone. Cells are
            mirrored as pixels are, so that this puts averaged joints three eighths of a cell to the
            left. Most are snapped to a peak of their heat-map anyway.
        name, **options: see :class:`Branch`.
    """

    def __init__(
        self,
        *,
        num_joints: int,
        flip_pairs: list[tuple[int, int]] = (),
        published_flip: bool = False,
        name: str = 'joints',
        **options,
    ) -> None:
        super().__init__(name=name, channels=2 * num_joints, **options)
        check_flip_pairs(flip_pairs, num_joints)
        self.num_joints, self.flip_pairs = num_joints, [tuple(pair) for pair in flip_pairs]
        self.published_flip = published_flip

    def target(self, targets: CenterTargets) -> Tensor:
        points = targets.field('keypoints').float() / self.stride  # (M, J, 2)
        check_num_joints(points, self)
        # As published, joints off the map are not trained on.
        known = on_map(points, targets.heatmap.shape[2:])[..., None]
        return torch.where(known, points - targets.cells[:, None], torch.nan).flatten(1)

    def decode(self, values: Tensor, peaks: Peaks, to_image: GridToImage) -> dict[str, Tensor]:
        offsets = values.unflatten(-1, (self.num_joints, 2))  # (B, K, J, 2)
        return dict(keypoints=to_image.points(peaks.cells[:, :, None] + offsets))

    def flip(self, feature: Tensor) -> Tensor:
        offsets = swap_pairs(
            feature.flip(-1).unflatten(1, (self.num_joints, 2)), self.flip_pairs, dim=1
        )
        x, y = offsets.unbind(2)
        x = -x if self.published_flip else self.mirror_offset(x)
        return torch.stack([x, y], dim=2).flatten(1, 2)


def check_num_joints(points: Tensor, branch: Branch) -> None:
    """Fails unless points (..., J, 2) have the branch's ``num_joints``.

    Raises:
        UserInputError: says both.
    """
    if points.shape[-2] != branch.num_joints:
        raise UserInputError(
            f"the objects have {points.shape[-2]} joints, but branch '{branch.name}' of the head "
            f'has num_joints={branch.num_joints}'
        )
