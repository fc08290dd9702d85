"""Scenes of the synthetic detection set: where objects lie, what covers what, how they look.

A scene is painted from back to front. A map of owners (which object shows at a pixel) tells at
every step how much of each object is hidden, so the share of covered objects is planned, not left
to chance, and no object disappears.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.random import Generator

from .synthetic_shapes import CLASSES, class_outline, occluder_outline, paint_surface, rasterize
from .synthetic_texture import background

SIZE_RANGE = (0.1, 0.5)  # longer side of the box, in shorter sides of the image
COVERED = (0.1, 0.6)  # hidden share of an object that counts as partly covered; never more
COVERED_SHARE = 0.22  # planned share of covered objects, a little over the promised fifth
OBJECTS = (5, 12)  # objects tried per image, inclusive

_BACKGROUND, _OCCLUDER, _CROWD = -1, -2, -3


@dataclass
class SceneObject:
    """One object: its class, outline (N, 2) in pixels and the share of it that is hidden."""

    label: int
    outline: np.ndarray
    cover: float = 0.0


@dataclass
class Scene:
    """A finished picture, uint8 (H, W, 3) BGR, with its objects and perhaps a crowd.

    `crowd` is None or a pair (label, mask (H, W) of bool).
    """

    image: np.ndarray
    objects: list[SceneObject] = field(default_factory=list)
    crowd: tuple[int, np.ndarray] | None = None


class _Canvas:
    """Picture and owner map while a scene is being painted."""

    def __init__(self, rng: Generator, height: int, width: int) -> None:
        self.rng = rng
        self.picture = background(rng, height, width)
        self.owner = np.full((height, width), _BACKGROUND, np.int32)
        self.objects: list[SceneObject] = []
        self.areas: list[int] = []
        self.light = rng.uniform(0, 2 * np.pi)  # one light for the whole scene

    @property
    def side(self) -> int:
        return min(self.owner.shape)

    def covers(self, mask: np.ndarray) -> np.ndarray:
        """Hidden share of each object (N,) if `mask` (H, W) were painted now."""
        hidden = np.bincount(self.owner[mask] + 3, minlength=len(self.objects) + 3)[3:]
        before = np.array([o.cover for o in self.objects])
        return before + hidden / np.maximum(self.areas, 1)

    def count_covered(self) -> int:
        return sum(o.cover >= COVERED[0] for o in self.objects)

    def paint(self, outline: np.ndarray, mask: np.ndarray, owner: int) -> None:
        """Paint a surface of the given outline and hand its pixels to `owner`."""
        if self.objects:
            for item, cover in zip(self.objects, self.covers(mask), strict=True):
                item.cover = float(cover)
        paint_surface(self.rng, self.picture, outline, self.light)
        self.owner[mask] = owner

    def add(self, label: int, outline: np.ndarray, mask: np.ndarray) -> None:
        self.paint(outline, mask, len(self.objects))
        self.objects.append(SceneObject(label, outline))
        self.areas.append(int(mask.sum()))


def make_scene(
    rng: Generator, height: int, width: int, *, empty: bool = False, crowd: bool = False
) -> Scene:
    """Paint one scene.

    Args:
        rng: Source of chance; the scene depends on nothing else.
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        empty: Paint no object, only things that are none.
        crowd: Add one crowd of tiny objects of one class.

    Returns:
        The scene; outlines lie inside the image and are those of whole objects, hidden parts
        included.
    """
    canvas = _Canvas(rng, height, width)
    if empty:
        for _ in range(int(rng.integers(1, 5))):
            outline = occluder_outline(rng, rng.uniform(0.1, 0.4) * canvas.side)
            outline += rng.uniform(0.1, 0.9, 2) * (width, height)
            canvas.paint(outline, rasterize(outline, height, width), _OCCLUDER)
        return Scene(_develop(rng, canvas.picture))
    crowd_region = _add_crowd(canvas) if crowd else None
    count = int(rng.integers(OBJECTS[0], OBJECTS[1] + 1))
    planned = int(COVERED_SHARE * count + rng.random())
    low, high = np.log(SIZE_RANGE[0] + 0.003), np.log(SIZE_RANGE[1] - 0.003)
    sizes = np.sort(np.exp(rng.uniform(low, high, count)))[::-1] * canvas.side
    for size in sizes:  # large ones first, or they would find no room
        overlap = canvas.count_covered() < planned and rng.random() < 0.3
        _ = (overlap and _place_object(canvas, size, True)) or _place_object(canvas, size, False)
    for index in rng.permutation(len(canvas.objects)):
        if canvas.count_covered() >= planned:
            break
        if canvas.objects[index].cover == 0:
            _place_occluder(canvas, canvas.objects[index])
    return Scene(_develop(rng, canvas.picture), canvas.objects, crowd_region)


def _place_object(canvas: _Canvas, size: float, overlap: bool, tries: int = 40) -> bool:
    """Put one object on free ground, or over the edge of an earlier one; False without room."""
    rng = canvas.rng
    height, width = canvas.owner.shape
    label = int(rng.integers(len(CLASSES)))
    shape = class_outline(rng, label, size)
    half = (shape.max(axis=0) - shape.min(axis=0)) / 2 + 1
    for _ in range(tries):
        center = rng.uniform(half, np.array([width, height]) - half)
        if overlap:
            if not canvas.objects:
                return False
            center = _beside(rng, canvas.objects[rng.integers(len(canvas.objects))].outline, half)
            if (center < half).any() or (center > np.array([width, height]) - half).any():
                continue
        outline = shape + center
        mask = rasterize(outline, height, width)
        under = canvas.owner[mask]
        if not overlap:
            if (under == _BACKGROUND).all():
                canvas.add(label, outline, mask)
                return True
            continue
        if (under != _CROWD).all() and _new_covers_fit(canvas, mask):
            canvas.add(label, outline, mask)
            return True
    return False


def _place_occluder(canvas: _Canvas, target: SceneObject, tries: int = 40) -> bool:
    """Lay a leaf or a branch over part of the target."""
    rng = canvas.rng
    size = np.ptp(target.outline, axis=0).max()
    for _ in range(tries):
        outline = occluder_outline(rng, size * rng.uniform(0.7, 1.3))
        outline = outline + _beside(rng, target.outline, np.full(2, 0.25 * size))
        mask = rasterize(outline, *canvas.owner.shape)
        if (canvas.owner[mask] != _CROWD).all() and _new_covers_fit(canvas, mask):
            canvas.paint(outline, mask, _OCCLUDER)
            return True
    return False


def _new_covers_fit(canvas: _Canvas, mask: np.ndarray) -> bool:
    """Whether painting `mask` covers exactly one more object, well, and none too much."""
    before = np.array([o.cover for o in canvas.objects])
    after = canvas.covers(mask)
    changed = after > before + 1e-9
    fits = (after[changed] > COVERED[0] + 0.03) & (after[changed] < COVERED[1] - 0.05)
    return changed.sum() == 1 and bool(fits.all())


def _beside(rng: Generator, outline: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Centre of something of half-size `half` that overlaps the rim of an outline."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    angle = rng.uniform(0, 2 * np.pi)
    reach = ((high - low) / 2 + half) * rng.uniform(0.4, 0.85)
    return (low + high) / 2 + reach * (np.cos(angle), np.sin(angle))


def _add_crowd(canvas: _Canvas) -> tuple[int, np.ndarray]:
    """Fill a patch with tiny objects of one class, each below the smallest ordinary size."""
    rng = canvas.rng
    height, width = canvas.owner.shape
    side = canvas.side
    label = int(rng.integers(len(CLASSES)))
    half = rng.uniform(0.16, 0.22, 2) * side
    center = rng.uniform(half + 0.06 * side, np.array([width, height]) - half - 0.06 * side)
    union = np.zeros((height, width), bool)
    for _ in range(int(rng.integers(30, 45))):
        outline = class_outline(rng, label, rng.uniform(0.05, 0.085) * side)
        outline = outline + center + rng.uniform(-half, half)
        mask = rasterize(outline, height, width)
        canvas.paint(outline, mask, _CROWD)
        union |= mask
    reserve = cv2.dilate(union.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    canvas.owner[reserve] = _CROWD  # keeps ordinary objects out of the gaps
    return label, union


def _develop(rng: Generator, picture: np.ndarray) -> np.ndarray:
    """Give the picture exposure, a little blur and sensor noise; to uint8."""
    picture = 127 + rng.uniform(0.75, 1.1) * (picture - 127) + rng.uniform(-18, 18)
    if rng.random() < 0.4:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 0.8))
    picture = picture + rng.uniform(1, 6) * rng.standard_normal(picture.shape, dtype=np.float32)
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)
