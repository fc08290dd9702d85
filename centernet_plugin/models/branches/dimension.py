"""Extent in space."""

from torch import Tensor

from ...registry import MODELS
from ..functional.grid import GridToImage
from ..functional.targets import CenterTargets
from .base import Branch, Peaks


@MODELS.register_module()
class DimensionBranch(Branch):
    """Height, width and length in metres (paper, section 4.1).

    Trains on the field ``dimensions`` and gives it, (K, 3).

    Args:
        name, **options: see :class:`Branch`.
    """

    def __init__(self, *, name: str = 'dimension', **options) -> None:
        super().__init__(name=name, channels=3, **options)

    def target(self, targets: CenterTargets) -> Tensor:
        return targets.field('dimensions')

    def decode(self, values: Tensor, peaks: Peaks, to_image: GridToImage) -> dict[str, Tensor]:
        return dict(dimensions=values)

    def flip(self, feature: Tensor) -> Tensor:
        return feature.flip(-1)
