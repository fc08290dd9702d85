"""Distance from the camera."""

from torch import Tensor

from ...registry import MODELS
from ..functional.grid import GridToImage
from ..functional.targets import CenterTargets
from .base import Branch, Peaks


@MODELS.register_module()
class DepthBranch(Branch):
    """Depth of the object's centre in metres, d = 1 / sigmoid(output) - 1 (paper, section 4.1).

    Trains on the field ``depths``. Gives ``depths`` (K,) and, where the images have a ``cam2img``,
    ``locations``: x, y, z of the centre in the camera's frame, in metres (K, 3).

    Args:
        name, **options: see :class:`Branch`.
    """

    def __init__(self, *, name: str = 'depth', **options) -> None:
        super().__init__(name=name, channels=1, **options)

    def activate(self, values: Tensor) -> Tensor:
        return 1 / (values.sigmoid() + 1e-6) - 1  # the published guard against division by zero

    def target(self, targets: CenterTargets) -> Tensor:
        return targets.field('depths')[:, None]

    def decode(self, values: Tensor, peaks: Peaks, to_image: GridToImage) -> dict[str, Tensor]:
        depths = values[..., 0]
        fields = dict(depths=depths)
        if to_image.camera is not None:
            fields['locations'] = to_image.locate(to_image.points(peaks.centers), depths)
        return fields

    def flip(self, feature: Tensor) -> Tensor:
        return feature.flip(-1)
