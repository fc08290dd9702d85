"""Direction in which an object points."""

from torch import Tensor

from ...registry import MODELS
from ..functional.grid import GridToImage
from ..functional.multi_bin import decode_multi_bin, multi_bin_loss, wrap
from ..functional.targets import CenterTargets
from .base import Branch, Peaks


@MODELS.register_module()
class OrientationBranch(Branch):
    """Observation angle in two bins (paper, appendix; :mod:`.functional.multi_bin`).

    The observation angle is the object's direction relative to the ray that it is seen along, which
    is what its image shows. Trains on the field ``alphas``. Gives ``alphas`` and, where the images
    have a ``cam2img``, ``rotations_y`` about the camera's vertical axis. Both (K,), radians.

    Args:
        name, flip_test, only_with: see :class:`Branch`.
        rows_per_image: see there; it divides the loss of the bins, not that of the angles in them.
        loss_weight: factor of the loss, whose form is fixed.
    """

    default_loss = None

    def __init__(
        self,
        *,
        name: str = 'orientation',
        loss_weight: float = 1.0,
        flip_test: str = 'average',
        rows_per_image: int | None = None,
        only_with: str | None = None,
    ) -> None:
        super().__init__(
            name=name,
            channels=8,
            flip_test=flip_test,
            rows_per_image=rows_per_image,
            only_with=only_with,
        )
        self.loss_weight = loss_weight

    def target(self, targets: CenterTargets) -> Tensor:
        return targets.field('alphas')[:, None]

    def loss(self, prediction: Tensor, targets: CenterTargets) -> Tensor:
        values = targets.gather(prediction.float())  # (M, 8)
        angles, weight = self.target(targets)[:, 0], self.weight(targets)
        rows = self.divisor((weight * ~angles.isnan())[:, None], targets)
        loss = multi_bin_loss(values, wrap(angles), weight, rows, targets.normalizer)
        return self.loss_weight * loss

    def decode(self, values: Tensor, peaks: Peaks, to_image: GridToImage) -> dict[str, Tensor]:
        alphas = decode_multi_bin(values)
        fields = dict(alphas=alphas)
        if to_image.camera is not None:
            rays = to_image.ray_angles(to_image.points(peaks.centers))
            fields['rotations_y'] = wrap(alphas + rays)
        return fields

    def flip(self, feature: Tensor) -> Tensor:
        """The mirrored angle is pi - angle. Bins stay; the angle from a bin's centre turns round.

        From -pi/2: (pi - a) + pi/2 = 2 pi - (a + pi/2), whose sine has the other sign.
        """
        mirrored = feature.flip(-1)
        mirrored[:, 2::4].neg_()  # the sines
        return mirrored
