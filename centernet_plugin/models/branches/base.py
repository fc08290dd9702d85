"""What a property of an object has to say about itself to become a branch of the head."""

from abc import ABCMeta, abstractmethod
from dataclasses import dataclass

from mmengine.config import ConfigDict
from torch import Tensor, nn

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

    Args:
        name: key of the branch's map in the head's output and of its loss, ``loss_<name>``.
        channels: D, channels of its map.
        loss: config of a loss that, called as ``(pred, target, reduction_override='none')`` like
            all of mmdet's, gives one value per sample and channel, or per sample.
        flip_test: what testing with the mirrored image makes of the two maps: their
            ``'average'``, or the map of the ``'plain'`` image.

    Attributes:
        stride: input pixels per cell; the head sets its own.
    """

    stride = 4

    def __init__(
        self,
        *,
        name: str,
        channels: int,
        loss: dict | ConfigDict,
        flip_test: str = 'average',
    ) -> None:
        super().__init__()
        if flip_test not in FLIP_TESTS:
            raise ValueError(f'unknown flip_test {flip_test!r}, choose one of {FLIP_TESTS}')
        self.name = name
        self.channels = channels
        self.flip_test = flip_test
        self.loss_module = MODELS.build(loss)

    @abstractmethod
    def target(self, targets: CenterTargets) -> Tensor:
        """Value to regress at every sample. (M, D)"""

    def weight(self, targets: CenterTargets) -> Tensor:
        """Weight of every sample, to leave out objects without the property. (M,)"""
        return targets.weight

    def loss(self, prediction: Tensor, targets: CenterTargets) -> Tensor:
        """Loss of the map, averaged over the weighted samples and channels (paper, eq. 2 and 3).

        The published normaliser: objects times channels plus 1e-4, so that no object gives 0. It is
        also that of losses with one value per sample, such as those of overlap.

        Args:
            prediction: (B, D, H, W).
            targets: of the batch.

        Returns:
            Scalar, float32.
        """
        values = targets.gather(prediction.float())  # (M, D)
        target = self.target(targets).to(values.dtype)
        # Not the weighted mean of mmdet's losses: they ask the device for any positive weight.
        loss = self.loss_module(values, target, reduction_override='none')  # (M, D) or (M,)
        weight = self.weight(targets)
        divisor = weight.sum() * self.channels + 1e-4
        return (loss * weight.view(-1, *[1] * (loss.dim() - 1))).sum() / divisor

    def refine(self, values: Tensor, peaks: Peaks) -> None:  # noqa: B027  optional
        """Improve ``peaks.centers`` in place, before any branch decodes. Most have nothing to do.

        Args:
            values: the map read at the peaks. (B, K, D)
            peaks: of the batch.
        """

    @abstractmethod
    def decode(self, values: Tensor, peaks: Peaks, to_image: GridToImage) -> dict[str, Tensor]:
        """Fields of the detections, in image pixels where they are lengths or positions.

        Args:
            values: the map read at the peaks. (B, K, D)
            peaks: of the batch, centres refined.
            to_image: from cells to image pixels.

        Returns:
            Fields by their name in ``InstanceData``, each (B, K, ...); may be empty.
        """

    @abstractmethod
    def flip(self, feature: Tensor) -> Tensor:
        """The map of a mirrored image as the map of the image. (B, D, H, W)"""

    def merge_flipped(self, plain: Tensor, mirrored: Tensor) -> Tensor:
        """One map of an image and its mirror image, as ``flip_test`` says. (B, D, H, W) each"""
        if self.flip_test == 'plain':
            return plain
        return (plain + self.flip(mirrored)) / 2
