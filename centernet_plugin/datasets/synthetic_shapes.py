"""Shapes of the synthetic detection set: outlines, their masks and their painted surfaces.

Outlines are corners (N, 2) as x, y in the continuous coordinates of COCO: pixel i spans [i, i + 1).
"""

import cv2
import numpy as np
from numpy.random import Generator

from .synthetic_texture import color, filling

CLASSES = ('disc', 'box', 'star')

_SHIFT = 4  # fractional bits of polygon corners in OpenCV's fillPoly


def class_outline(rng: Generator, label: int, size: float) -> np.ndarray:
    """Draw the outline of an object of a class around the origin.

    Args:
        rng: Source of chance for proportion and rotation.
        label: Index in `CLASSES`.
        size: Longer side of its upright bounding box in pixels.

    Returns:
        Corners (N, 2) as x, y.
    """
    angle = rng.uniform(0, 2 * np.pi)
    if CLASSES[label] == 'disc':
        t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        points = np.stack([np.cos(t), rng.uniform(0.75, 1) * np.sin(t)], axis=1)
    elif CLASSES[label] == 'box':
        ratio = rng.uniform(0.6, 1)
        points = np.array([[-1, -ratio], [1, -ratio], [1, ratio], [-1, ratio]])
    else:
        t = np.linspace(0, 2 * np.pi, 10, endpoint=False)
        radius = np.where(np.arange(10) % 2, rng.uniform(0.4, 0.52), 1.0)
        points = radius[:, None] * np.stack([np.cos(t), np.sin(t)], axis=1)
    points = _rotate(points, angle)
    low, high = points.min(axis=0), points.max(axis=0)
    return (points - (low + high) / 2) * (size / (high - low).max())


def occluder_outline(rng: Generator, size: float) -> np.ndarray:
    """Outline (N, 2) of a leaf or a crooked branch around the origin: shapes of no class."""
    if rng.random() < 0.5:
        t = np.linspace(-1, 1, 16)
        bulge = rng.uniform(0.25, 0.45) * (1 - t**2)
        points = np.concatenate([np.stack([t, bulge], 1), np.stack([t[::-1], -bulge[::-1]], 1)])
    else:
        t = np.linspace(-1.6, 1.6, 9)
        bend = np.cumsum(rng.normal(0, 0.14, 9))
        thick = rng.uniform(0.13, 0.24) * np.linspace(1, 0.5, 9)
        upper, lower = np.stack([t, bend + thick], 1), np.stack([t, bend - thick], 1)
        points = np.concatenate([upper, lower[::-1]])
    return _rotate(points, rng.uniform(0, 2 * np.pi)) * size / 2


def rasterize(outline: np.ndarray, height: int, width: int) -> np.ndarray:
    """Mask (H, W) of bool of the pixels inside an outline."""
    mask = np.zeros((height, width), np.uint8)
    corners = np.round((outline - 0.5) * 2**_SHIFT).astype(np.int32)
    cv2.fillPoly(mask, [corners], 1, cv2.LINE_8, _SHIFT)
    return mask.astype(bool)


def paint_surface(rng: Generator, picture: np.ndarray, outline: np.ndarray, light: float) -> None:
    """Paint one lit, textured surface with a soft shadow into the picture."""
    height, width = picture.shape[:2]
    size = np.ptp(outline, axis=0).max()
    pad = int(np.ceil(0.12 * size)) + 2
    x1, y1 = np.maximum(np.floor(outline.min(axis=0)).astype(int) - pad, 0)
    x2, y2 = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + pad, (width, height))
    if x2 <= x1 or y2 <= y1:
        return
    patch = picture[y1:y2, x1:x2]
    alpha = np.zeros(patch.shape[:2], np.uint8)
    corners = np.round((outline - (x1, y1) - 0.5) * 2**_SHIFT).astype(np.int32)
    cv2.fillPoly(alpha, [corners], 255, cv2.LINE_AA, _SHIFT)
    direction = np.array([np.cos(light), np.sin(light)])
    if rng.random() < 0.7:
        move = np.float32([[1, 0, 0], [0, 1, 0]])
        move[:, 2] = -direction * 0.06 * size
        shadow = cv2.warpAffine(alpha, move, alpha.shape[::-1]).astype(np.float32) / 255
        shadow = cv2.GaussianBlur(shadow, (0, 0), max(0.7, 0.03 * size))
        patch *= 1 - rng.uniform(0.2, 0.55) * shadow[..., None]
    around = patch.mean(axis=(0, 1))
    first = color(rng)
    for _ in range(8):  # an object that nobody can tell from its surroundings teaches nothing
        if np.linalg.norm(first - around) > 70:
            break
        first = color(rng)
    surface = filling(rng, *alpha.shape, first)
    y, x = np.mgrid[: alpha.shape[0], : alpha.shape[1]].astype(np.float32)
    slope = ((x - x.mean()) * direction[0] + (y - y.mean()) * direction[1]) / max(size, 1)
    depth = cv2.distanceTransform((alpha > 127).astype(np.uint8), cv2.DIST_L2, 3)
    rim = np.clip(depth / max(1.5, rng.uniform(0.05, 0.15) * size), 0, 1)
    shade = 1 + rng.uniform(0.2, 0.9) * slope
    shade *= 1 - rng.uniform(0, 0.5) * (1 - rim)
    surface = np.clip(surface * shade[..., None], 0, 255)
    weight = alpha[..., None].astype(np.float32) / 255
    patch += weight * (surface - patch)


def _rotate(points: np.ndarray, angle: float) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return points @ np.array([[cos, sin], [-sin, cos]])
