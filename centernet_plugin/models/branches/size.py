"""Width and height of the box."""

import torch
from mmengine.config import ConfigDict
from torch import Tensor

from ...registry import MODELS
from ..functional.grid import GridToImage
from ..functional.targets import CenterTargets
from .base import Branch, Peaks


@MODELS.register_module()
class SizeBranch(Branch):
    """Box size (width, height) in cells (paper, equation 3; weight 0.1).

    Args:
        name, loss, flip_test: see :class:`Branch`.
    """

    def __init__(
        self,
        *,
        name: str = 'size',
        loss: dict | ConfigDict | None = None,
        flip_test: str = 'average',
    ) -> None:
        loss = loss or dict(type='mmdet.L1Loss', loss_weight=0.1)
        super().__init__(name=name, channels=2, loss=loss, flip_test=flip_test)

    def target(self, targets: CenterTargets) -> Tensor:
        return targets.sizes

    def decode(self, values: Tensor, peaks: Peaks, to_image: GridToImage) -> dict[str, Tensor]:
        # A negative size is a network's mistake; as a box it would crash whoever draws it.
        half = to_image.lengths(values.clamp(min=0)) / 2  # (B, K, 2)
        centers = to_image.points(peaks.centers)
        return dict(bboxes=torch.cat([centers - half, centers + half], dim=-1))

    def flip(self, feature: Tensor) -> Tensor:
        return feature.flip(-1)
