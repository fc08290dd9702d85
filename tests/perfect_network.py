"""A network that reads its boxes from the input: what it misses, the pipeline has lost.

An object of class c is a rectangle of 255 in channel c of a black image.
"""

import cv2
import numpy as np
import torch
from torch import Tensor


def draw(size: tuple[int, int], boxes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """An image of ``size`` (height, width) with boxes (N, 4) on whole pixels."""
    image = np.zeros((*size, 3), np.uint8)
    for (x1, y1, x2, y2), label in zip(boxes.astype(int), labels, strict=True):
        image[y1:y2, x1:x2, label] = 255
    return image


def read_maps(inputs: Tensor, stride: int = 4) -> dict[str, Tensor]:
    """The head's maps of inputs (B, 3, H, W) of 0 to 255; larger objects have higher scores."""
    batch, classes, height, width = inputs.shape
    height, width = height // stride, width // stride
    heatmap = torch.full((batch, classes, height, width), -20.0)
    size, offset = torch.zeros(2, batch, 2, height, width)
    for i, label in np.ndindex(batch, classes):
        for box in read_boxes(inputs[i, label].double().numpy() / 255):
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
