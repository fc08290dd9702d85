"""The velocity (x, y) of an object, in pixels of the image per frame, as a branch of the head."""

import numpy as np
import torch
from torch import Tensor

from centernet_plugin.datasets.transforms import Warp, field_warp
from centernet_plugin.models.branches import Branch, CenterTargets, GridToImage, Peaks
from centernet_plugin.registry import MODELS


@field_warp('velocity')
def warp_velocity(values: np.ndarray, warp: Warp) -> np.ndarray:
    """What becomes of it in training where the image is cut, zoomed, turned or mirrored. (N, 2)"""
    return (values @ warp.matrix[:, :2].T).astype(np.float32)  # a vector turns, but does not shift


@MODELS.register_module()
class VelocityBranch(Branch):
    """Trains on the field ``velocity`` (N, 2), and gives it, (K, 2)."""

    default_loss = dict(type='mmdet.SmoothL1Loss', beta=0.25, loss_weight=0.5)

    def __init__(self, **options) -> None:
        super().__init__(name='velocity', channels=2, **options)

    def activate(self, values: Tensor) -> Tensor:
        """Cells from what the layers give, which stays small also where objects are fast."""
        return values.sinh()

    def target(self, targets: CenterTargets) -> Tensor:
        """Pixels of the network's input to cells. NaN, of objects that do not say, is left out."""
        return targets.field('velocity') / self.stride

    def decode(self, values: Tensor, peaks: Peaks, to_image: GridToImage) -> dict[str, Tensor]:
        """Cells to pixels of the image."""
        return dict(velocity=to_image.lengths(values))

    def flip(self, feature: Tensor) -> Tensor:
        """The map of a mirrored image, mirrored back: what moves left there moves right here."""
        x, y = feature.flip(-1).unbind(1)
        return torch.stack([-x, y], dim=1)
