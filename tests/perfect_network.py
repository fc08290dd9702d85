"""A network that reads its boxes from the input: what it misses, the pipeline has lost.

An object of class c is a rectangle of 255 in channel c of a black image.
"""

import cv2
import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor

from centernet_plugin.models import CenterNet, CenterNetHead
from centernet_plugin.registry import MODELS

SIZES = [(150, 203), (203, 150), (181, 257), (129, 97)]  # height, width
# Some touch the border, some each other's class, and all are of different areas: the largest first.
BOXES = np.array(
    [
        [0.50, 0.55, 1.00, 1.00],
        [0.35, 0.20, 0.80, 0.53],
        [0.00, 0.00, 0.30, 0.40],
        [0.55, 0.10, 0.90, 0.40],
        [0.22, 0.62, 0.45, 1.00],
        [0.00, 0.45, 0.15, 0.80],
    ]
)
LABELS = np.array([0, 2, 0, 1, 2, 1])


def boxes_in(size: tuple[int, int]) -> np.ndarray:
    """BOXES on whole pixels of an image of ``size`` (height, width), of odd width.

    A centre on the border of two cells would change its cell when mirrored.
    """
    boxes = np.round(BOXES * (size[1], size[0], size[1], size[0]))
    even, right = boxes[:, 0::2].sum(axis=1) % 2 == 0, boxes[:, 2] == size[1]
    boxes[:, 0] += even & right
    boxes[:, 2] -= even & ~right
    return boxes


def draw(size: tuple[int, int], boxes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """An image of ``size`` (height, width) with boxes (N, 4) on whole pixels."""
    image = np.zeros((*size, 3), np.uint8)
    for (x1, y1, x2, y2), label in zip(np.asarray(boxes, int), labels, strict=True):
        image[y1:y2, x1:x2, label] = 255
    return image


def make_perfect(config: Config, width: float = 1.0) -> Config:
    """The config with the perfect network in the place of its own."""
    model = config.model
    model.type, model.neck = 'centernet_plugin.PerfectCenterNet', None
    model.backbone = dict(type='mmdet.ResNet', depth=18, base_channels=8, stem_channels=8)
    model.bbox_head.type = 'centernet_plugin.PerfectHead'
    model.bbox_head.width = width
    return config


@MODELS.register_module()
class PerfectCenterNet(CenterNet):
    """Gives the head the image itself as its feature map."""

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor]:
        return (batch_inputs * self.data_preprocessor.std + self.data_preprocessor.mean,)


@MODELS.register_module()
class PerfectHead(CenterNetHead):
    """Perfect up to ``width``, which boxes are wider than they should be."""

    def __init__(self, *, width: float = 1.0, **options) -> None:
        super().__init__(**options)
        self.width = width

    def forward(
        self, feats: tuple[Tensor, ...], last_only: bool = False
    ) -> tuple[dict[str, Tensor]]:
        maps = read_maps(feats[0])
        maps['size'][:, 0] *= self.width
        others = maps['heatmap'].new_full((1, 1, 1, 1), -20.0)
        others = others.expand(len(feats[0]), self.num_classes - 3, *maps['size'].shape[2:])
        maps['heatmap'] = torch.cat((maps['heatmap'], others), dim=1)
        return (maps,)


def read_maps(inputs: Tensor, stride: int = 4) -> dict[str, Tensor]:
    """The head's maps of inputs (B, 3, H, W) of 0 to 255; larger objects have higher scores."""
    batch, classes, height, width = inputs.shape
    height, width = height // stride, width // stride
    heatmap = torch.full((batch, classes, height, width), -20.0)
    size, offset = torch.zeros(2, batch, 2, height, width)
    planes = (inputs.double().numpy() / 255).round(4)
    for i, label in np.ndindex(batch, classes):
        for box in read_boxes(planes[i, label]):
            center = torch.from_numpy(box[:2] + box[2:]).float() / (2 * stride)
            extent = torch.from_numpy(box[2:] - box[:2]).float() / stride
            x, y = center.long().tolist()
            if heatmap[i, :, y, x].max() > -20:
                raise AssertionError('two objects in one cell')
            heatmap[i, label, y, x] = extent.prod().log()
            size[i, :, y, x], offset[i, :, y, x] = extent, center - center.long()
    return dict(heatmap=heatmap, size=size, offset=offset)


def read_boxes(plane: np.ndarray) -> list[np.ndarray]:
    """Boxes x1 y1 x2 y2 of the rectangles of 1 on 0, to a fraction of a pixel.

    A side of a resampled rectangle is a ramp. It counts as a step of the same sum.
    """
    count, components = cv2.connectedComponents((plane > 0.75).astype(np.uint8))
    boxes = []
    for component in range(1, count):
        ys, xs = np.nonzero(components == component)
        x, y = int(np.median(xs)), int(np.median(ys))
        (x1, x2), (y1, y2) = read_sides(plane[y], x), read_sides(plane[:, x], y)
        boxes.append(np.array([x1, y1, x2, y2]))
    return boxes


def read_sides(line: np.ndarray, middle: int) -> tuple[float, float]:
    """Where the run of ones around ``middle`` begins and ends."""
    dark = np.nonzero(line <= 0)[0]
    first = dark[dark < middle].max(initial=-1) + 1
    last = dark[dark > middle].min(initial=len(line))
    return middle - line[first:middle].sum(), middle + line[middle:last].sum()
