"""What a property of an object has to say about itself to become a branch of the head."""

from abc import ABCMeta, abstractmethod
from dataclasses import dataclass

import torch
from mmengine.config import ConfigDict
from torch import Tensor, nn

from ...errors import UserInputError
from ...registry import MODELS
from ..functional.grid import GridToImage
from ..functional.targets import CenterTargets

FLIP_TESTS = ('average', 'plain')


@dataclass
class Peaks:
    """Detections while they are being decoded.

    Legend: B images, K peaks per image.

    Attributes:
        scores: (B, K). labels: (B, K), int64.
        cells: cell (x, y) of each peak. (B, K, 2), int64
        centers: exact centre in cells; the cell's middle until a branch refines it. (B, K, 2)
    """

    scores: Tensor
    labels: Tensor
    cells: Tensor
    centers: Tensor


class Branch(nn.Module, metaclass=ABCMeta):
    """A property regressed at object centres: its channels, target, loss, decoding and flip rule.

    The head owns the layers (3x3 convolution, ReLU, 1x1 convolution) and calls the branch.
    Subclass, register in ``centernet_plugin.registry.MODELS`` and name the type in the head's
    ``branches``; nothing else has to change.

    Every output map is a branch, also one that is not read at centres, such as the heat-map of
    joints: it overrides :meth:`loss`, and :meth:`adjust` gives it the detections of all branches.

    Args:
        name: key of the branch's map in the head's output and of its loss, ``loss_<name>``.
        channels: D, channels of its map.
        loss: config of a loss that, called as ``(pred, target, reduction_override='none')`` like
            all of mmdet's, gives one value per sample and channel, or per sample. None: the
            branch's ``default_loss``.
        flip_test: what testing with the mirrored image makes of the two maps: their
            ``'average'``, or the map of the ``'plain'`` image.
        rows_per_image: divide the loss by so many samples of every image instead of by the samples
            that there are, as the published 3D training does, which pads to 50.
        only_with: name of a field; objects of which it is not known are left out, as the published
            pose training leaves persons without joints out of size and offset.

    Attributes:
        stride: input pixels per cell; the head sets its own.
        default_loss: config of the loss; None where the branch overrides :meth:`loss` without one.
        is_heatmap: whether the map starts from the bias of heat-maps.
    """

    stride = 4
    default_loss: dict | None = dict(type='mmdet.L1Loss', loss_weight=1.0)
    is_heatmap = False

    def __init__(
        self,
        *,
        name: str,
        channels: int,
        loss: dict | ConfigDict | None = None,
        flip_test: str = 'average',
        rows_per_image: int | None = None,
        only_with: str | None = None,
    ) -> None:
        super().__init__()
        if flip_test not in FLIP_TESTS:
            raise ValueError(f'unknown flip_test {flip_test!r}, choose one of {FLIP_TESTS}')
        self.name = name
        self.channels = channels
        self.flip_test = flip_test
        self.rows_per_image, self.only_with = rows_per_image, only_with
        loss = self.default_loss if loss is None else loss
        self.loss_module = None if loss is None else MODELS.build(loss)

    def activate(self, values: Tensor) -> Tensor:
        """From what the layers give to values of the property, elementwise. Any shape"""
        return values

    def target(self, targets: CenterTargets) -> Tensor:
        """Value to regress at every sample; NaN where it is not known. (M, D)

        The default is the field of ``gt_instances`` that has the branch's name.
        """
        return _rows(targets.field(self.name))

    def weight(self, targets: CenterTargets) -> Tensor:
        """Weight of every sample, or of its channels, to leave some out. (M,) or (M, D)"""
        if self.only_with is None:
            return targets.weight
        known = ~_rows(targets.field(self.only_with)).isnan()
        return targets.weight * known.any(1)

    def loss(self, prediction: Tensor, targets: CenterTargets) -> Tensor:
        """Loss of the map, averaged over what is weighted and known (paper, eq. 2 and 3).

        The published normaliser: samples times channels plus 1e-4, so that no object gives 0. It is
        also that of losses with one value per sample, such as those of overlap.

        Args:
            prediction: as the layers give it. (B, D, H, W)
            targets: of the batch.

        Returns:
            Scalar, float32.

        Raises:
            UserInputError: the target has another shape than the map gives values.
        """
        raw = targets.gather(prediction.float())  # (M, D)
        target, weight = self.target(targets), self.weight(targets)
        if target.shape != raw.shape:
            raise UserInputError(
                f"branch '{self.name}' has {self.channels} channels, but a target of "
                f'{tuple(target.shape)} for {len(raw)} objects; the shape of the field that the '
                'dataset reads and the channels have to agree'
            )
        weight = _known_weight(target, weight)
        # What does not count may be anything: activated it could be infinite, and its gradient NaN.
        values = self.activate(torch.where(weight > 0, raw, 0))
        return self.average_loss(values, target, weight, targets)

    def average_loss(
        self, values: Tensor, target: Tensor, weight: Tensor, targets: CenterTargets
    ) -> Tensor:
        """Weighted average of ``loss_module`` over samples and channels.

        Args:
            values, target: NaN targets have no weight. (M, D)
            weight: (M,) or (M, D).
            targets: of the batch.

        Returns:
            Scalar, float32.
        """
        weight, target = _known_weight(target, weight), target.to(values.dtype)
        target = torch.where(target.isnan(), values.detach(), target)
        # Not the weighted mean of mmdet's losses: they ask the device for any positive weight.
        loss = self.loss_module(values, target, reduction_override='none')
        total = (loss * (weight if loss.dim() == 2 else weight.amin(1))).sum()
        return total / self.divisor(weight, targets)

    def divisor(self, weight: Tensor, targets: CenterTargets) -> Tensor | int:
        """What the sum of losses with weights (M, D) is divided by."""
        if self.rows_per_image is not None:
            return max(self.rows_per_image * targets.num_images * weight.shape[1], 1)
        return targets.normalizer(weight.sum(), lambda count: count + 1e-4)

    def refine(self, values: Tensor, peaks: Peaks) -> None:  # noqa: B027  optional
        """Improve ``peaks.centers`` in place, before any branch decodes. Most have nothing to do.

        Args:
            values: the map, activated, read at the peaks. (B, K, D)
            peaks: of the batch.
        """

    @abstractmethod
    def decode(self, values: Tensor, peaks: Peaks, to_image: GridToImage) -> dict[str, Tensor]:
        """Fields of the detections, in image pixels where they are lengths or positions.

        Args:
            values: the map, activated, read at the peaks. (B, K, D)
            peaks: of the batch, centres refined.
            to_image: from cells to image pixels.

        Returns:
            Fields by their name in ``InstanceData``, each (B, K, ...); may be empty.
        """

    def adjust(  # noqa: B027  optional
        self, fields: dict[str, Tensor], maps: dict[str, Tensor], to_image: GridToImage
    ) -> None:
        """Change the detections in place, once all branches have decoded. Most do nothing.

        Args:
            fields: of the detections by their name in ``InstanceData``. (B, K, ...) each
            maps: of all branches, activated. (B, D, H, W) each
            to_image: from cells to image pixels.
        """

    @abstractmethod
    def flip(self, feature: Tensor) -> Tensor:
        """The map of a mirrored image as the map of the image. (B, D, H, W)"""

    def mirror_offset(self, x: Tensor) -> Tensor:
        """Horizontal offset from a cell, in cells, in the mirror image. Any shape

        Mirrored with the pixels, input pixel x becomes W - 1 - x and cell i becomes W/s - 1 - i, so
        that s (i + o) goes to W - 1 - s (i + o) = s (W/s - 1 - i) + s (1 - 1/s - o).
        """
        return 1 - 1 / self.stride - x

    def merge_flipped(self, plain: Tensor, mirrored: Tensor) -> Tensor:
        """One map of an image and its mirror image, as ``flip_test`` says. (B, D, H, W) each

        Both are activated.
        """
        if self.flip_test == 'plain':
            return plain
        return (plain + self.flip(mirrored)) / 2


def _rows(field: Tensor) -> Tensor:
    """A field of samples (M, ...) as one row of numbers for each. (M, D)"""
    return field[:, None].flatten(1)


def _known_weight(target: Tensor, weight: Tensor) -> Tensor:
    """Weight (M,) or (M, D) of every number of a target (M, D), 0 where it is NaN. (M, D)"""
    return (weight if weight.dim() == 2 else weight[:, None]) * ~target.isnan()
