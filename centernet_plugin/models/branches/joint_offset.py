"""Position of a joint within its cell."""

import torch
from mmengine.config import ConfigDict
from torch import Tensor

from ...registry import MODELS
from ..functional.grid import GridToImage
from ..functional.joints import joint_targets
from ..functional.targets import CenterTargets
from .base import Branch, Peaks


@MODELS.register_module()
class JointOffsetBranch(Branch):
    """Offset (x, y) from a joint's cell to its exact position, in cells (paper, section 4.2).

    One map for all kinds of joints, trained at the joints' cells, read at the peaks of
    :class:`JointHeatmapBranch`.

    Args:
        name, loss, rows_per_image: see :class:`Branch`.
        flip_test: see :class:`Branch`; the published test takes the offset of the plain image.
    """

    def __init__(
        self,
        *,
        name: str = 'joint_offset',
        loss: dict | ConfigDict | None = None,
        flip_test: str = 'plain',
        rows_per_image: int | None = None,
    ) -> None:
        super().__init__(
            name=name, channels=2, loss=loss, flip_test=flip_test, rows_per_image=rows_per_image
        )

    def loss(self, prediction: Tensor, targets: CenterTargets) -> Tensor:
        joints = joint_targets(targets, self.stride)
        x, y = joints.cells.unbind(1)
        values = prediction.float()[joints.image, :, y, x]  # (M, 2)
        target = joints.points - joints.cells
        return self.average_loss(values, target, joints.valid.float(), targets)

    def decode(self, values: Tensor, peaks: Peaks, to_image: GridToImage) -> dict[str, Tensor]:
        return {}

    def flip(self, feature: Tensor) -> Tensor:
        x, y = feature.flip(-1).unbind(1)
        return torch.stack([self.mirror_offset(x), y], dim=1)
