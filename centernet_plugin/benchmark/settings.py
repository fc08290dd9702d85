"""What a benchmark is made with."""

from dataclasses import dataclass, field

import torch

from .pictures import Pictures

PER_IMAGE = 57 / 8  # objects of an image, as on average in COCO's training images: 114 in 16


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Sizes and effort.

    Attributes:
        device: where tensors live.
        images: in a batch.
        objects: in the batch, all images together; None for as many as COCO has.
        classes: number of classes.
        size: side of the square network input in pixels.
        train_images: in the batch of a training step.
        repeat: rounds, in each of which every side runs once.
        seconds: a case that takes longer has fewer rounds.
        pictures: image files for pipelines and inference.
    """

    device: torch.device = torch.device('cpu')
    images: int = 16
    objects: int | None = None
    classes: int = 80
    size: int = 512
    train_images: int = 16
    repeat: int = 10
    seconds: float = 60.0
    pictures: Pictures = field(default_factory=Pictures)

    @property
    def cuda(self) -> bool:
        return self.device.type == 'cuda'

    @property
    def cells(self) -> int:
        """Side of the feature map."""
        return self.size // 4

    def objects_in(self, images: int) -> int:
        """Objects in a batch of so many images."""
        if self.objects is None:
            return round(PER_IMAGE * images)
        return max(1, round(self.objects * images / self.images))
