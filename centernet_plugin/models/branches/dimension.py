"""Extent in space."""

from mmengine.config import ConfigDict
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
        name, loss, flip_test, rows_per_image: see :class:`Branch`.
    """

    def __init__(
        self,
        *,
        name: str = 'dimension',
        loss: dict | ConfigDict | None = None,
        flip_test: str = 'average',
        rows_per_image: int | None = None,
    ) -> None:
        super().__init__(
            name=name,
            channels=3,
            loss=loss or dict(type='mmdet.L1Loss', loss_weight=1.0),
            flip_test=flip_test,
            rows_per_image=rows_per_image,
        )

    def target(self, targets: CenterTargets) -> Tensor:
        return targets.field('dimensions')

    def decode(self, values: Tensor, peaks: Peaks, to_image: GridToImage) -> dict[str, Tensor]:
        return dict(dimensions=values)

    def flip(self, feature: Tensor) -> Tensor:
        return feature.flip(-1)
