"""Position of the centre within its cell."""

import torch
from torch import Tensor

from ...registry import MODELS
from ..functional.grid import GridToImage
from ..functional.targets import CenterTargets
from .base import Branch, Peaks


@MODELS.register_module()
class OffsetBranch(Branch):
    """Offset (x, y) from the cell to the exact centre, in cells (paper, equation 2).

    Args:
        flip_test: the published test takes the offset of the plain image.
        name, **options: see :class:`Branch`.
    """

    def __init__(self, *, name: str = 'offset', flip_test: str = 'plain', **options) -> None:
        super().__init__(name=name, channels=2, flip_test=flip_test, **options)

    def target(self, targets: CenterTargets) -> Tensor:
        return targets.centers - targets.cells

    def refine(self, values: Tensor, peaks: Peaks) -> None:
        peaks.centers = peaks.cells + values

    def decode(self, values: Tensor, peaks: Peaks, to_image: GridToImage) -> dict[str, Tensor]:
        return {}

    def flip(self, feature: Tensor) -> Tensor:
        x, y = feature.flip(-1).unbind(1)
        return torch.stack([self.mirror_offset(x), y], dim=1)
