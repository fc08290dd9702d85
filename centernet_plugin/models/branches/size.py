"""Width and height of the box."""

import torch
from torch import Tensor

from ...registry import MODELS
from ..functional.grid import GridToImage
from ..functional.targets import CenterTargets
from .base import Branch, Peaks


@MODELS.register_module()
class SizeBranch(Branch):
    """Box size (width, height) in cells (paper, equation 3; weight 0.1).

    Args:
        name, **options: see :class:`Branch`.
        as_point: send the size through the transform of points, as the published 3D test does by
            mistake: where the input is cut or padded at the top, boxes are too high or too low.
    """

    default_loss = dict(type='mmdet.L1Loss', loss_weight=0.1)

    def __init__(self, *, name: str = 'size', as_point: bool = False, **options) -> None:
        super().__init__(name=name, channels=2, **options)
        self.as_point = as_point

    def target(self, targets: CenterTargets) -> Tensor:
        return targets.sizes

    def decode(self, values: Tensor, peaks: Peaks, to_image: GridToImage) -> dict[str, Tensor]:
        transform = to_image.points if self.as_point else to_image.lengths
        # A negative size is a network's mistake; as a box it would crash whoever draws it.
        half = transform(values).clamp(min=0) / 2  # (B, K, 2)
        centers = to_image.points(peaks.centers)
        return dict(bboxes=torch.cat([centers - half, centers + half], dim=-1))

    def flip(self, feature: Tensor) -> Tensor:
        return feature.flip(-1)
