"""Random textures: backgrounds and fillings of the synthetic detection set.

Every function is pure apart from the generator `rng` that it draws from. Fields are float32 (H, W)
in [0, 1], pictures float32 (H, W, 3) in [0, 255], channels in the order of OpenCV (BGR).
"""

import cv2
import numpy as np
from numpy.random import Generator

BACKGROUNDS = ('noise', 'stripes', 'gradient', 'blobs', 'tiles')
FILLINGS = ('plain', 'noise', 'stripes', 'dots', 'gradient')


def background(rng: Generator, height: int, width: int) -> np.ndarray:
    """Draw a textured background with grain and some unlabelled scribbles.

    Args:
        rng: Source of chance.
        height: Height in pixels.
        width: Width in pixels.

    Returns:
        Picture, float32 (H, W, 3) in [0, 255].
    """
    kind = BACKGROUNDS[rng.integers(len(BACKGROUNDS))]
    if kind == 'noise':
        field = noise(rng, height, width, cells=int(rng.integers(2, 6)), octaves=5)
    elif kind == 'stripes':
        field = stripes(rng, height, width, waves=rng.uniform(3, 14), warp=rng.uniform(0, 1.2))
    elif kind == 'gradient':
        field = gradient(rng, height, width)
        field = 0.75 * field + 0.25 * noise(rng, height, width, cells=6, octaves=4)
    elif kind == 'blobs':
        field = blobs(rng, height, width)
    else:
        field = tiles(rng, height, width)
    picture = palette(field, [color(rng, saturation=(0.05, 0.65)) for _ in range(3)])
    grain = noise(rng, height, width, cells=24, octaves=3) - 0.5
    picture += rng.uniform(10, 60) * grain[..., None]
    _scribble(rng, picture)
    return np.clip(picture, 0, 255).astype(np.float32)


def filling(rng: Generator, height: int, width: int, first: np.ndarray) -> np.ndarray:
    """Draw the surface of an object whose leading colour is `first`, (3,) BGR."""
    kind = FILLINGS[rng.integers(len(FILLINGS))]
    if kind == 'plain':
        field = 0.3 * noise(rng, height, width, cells=3, octaves=2)
    elif kind == 'noise':
        field = noise(rng, height, width, cells=3, octaves=3)
    elif kind == 'stripes':
        field = stripes(rng, height, width, waves=rng.uniform(1.5, 5), warp=0.2)
    elif kind == 'dots':
        field = dots(rng, height, width)
    else:
        field = gradient(rng, height, width)
    return palette(rng.uniform(0.4, 0.9) * field, [first, color(rng)])


def color(
    rng: Generator,
    saturation: tuple[float, float] = (0.2, 1.0),
    value: tuple[float, float] = (0.2, 1.0),
) -> np.ndarray:
    """Draw one colour of any hue, float32 (3,) BGR in [0, 255]."""
    hsv = np.float32([rng.uniform(0, 360), rng.uniform(*saturation), rng.uniform(*value)])
    return 255 * cv2.cvtColor(hsv[None, None], cv2.COLOR_HSV2BGR)[0, 0]


def palette(field: np.ndarray, colors: list[np.ndarray]) -> np.ndarray:
    """Map a field to colours, linear between evenly spaced ones."""
    stops = np.linspace(0, 1, len(colors))
    channels = [np.interp(field, stops, [c[i] for c in colors]) for i in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def noise(rng: Generator, height: int, width: int, cells: int, octaves: int) -> np.ndarray:
    """Value noise; each octave has twice the frequency and 0.55 of the amplitude."""
    field = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        count = cells * 2**octave
        if octave and count > max(height, width):
            break
        grid = rng.random((count + 1, count + 1), dtype=np.float32)
        field += 0.55**octave * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return _stretch(field)


def stripes(rng: Generator, height: int, width: int, waves: float, warp: float) -> np.ndarray:
    """Waves across the longer side, bent by noise; soft or with hard edges."""
    phase = waves * _ramp(rng, height, width)
    phase += warp * noise(rng, height, width, cells=3, octaves=2)
    field = 0.5 + 0.5 * np.sin(2 * np.pi * phase)
    if rng.random() < 0.5:
        field = np.clip(4 * (field - 0.5) + 0.5, 0, 1)
    return field.astype(np.float32)


def gradient(rng: Generator, height: int, width: int) -> np.ndarray:
    """Linear or radial ramp."""
    if rng.random() < 0.5:
        return _stretch(_ramp(rng, height, width))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    center = rng.uniform(0.1, 0.9, 2) * (width, height)
    return _stretch(np.hypot(x - center[0], y - center[1]).astype(np.float32))


def blobs(rng: Generator, height: int, width: int) -> np.ndarray:
    """Soft, unequal spots laid over each other."""
    field = np.full((height, width), rng.uniform(0, 1), np.float32)
    side = max(height, width)
    for _ in range(int(rng.integers(25, 60))):
        center = (int(rng.integers(width)), int(rng.integers(height)))
        axes = tuple(int(a) for a in rng.uniform(0.03, 0.18, 2) * side)
        cv2.ellipse(field, center, axes, rng.uniform(0, 180), 0, 360, float(rng.random()), -1)
    return cv2.GaussianBlur(field, (0, 0), rng.uniform(0.015, 0.04) * side)


def tiles(rng: Generator, height: int, width: int) -> np.ndarray:
    """Turned grid of tiles of unequal brightness with joints."""
    pitch = rng.uniform(0.06, 0.16) * max(height, width)
    u, v = _turned(rng, height, width)
    u, v = u / pitch, v / pitch
    v = v + 0.5 * (np.floor(u) % 2) * (rng.random() < 0.5)
    shades = rng.random((64, 64), dtype=np.float32)
    field = shades[np.floor(u).astype(int) % 64, np.floor(v).astype(int) % 64]
    joint = np.minimum(np.abs(u - np.round(u)), np.abs(v - np.round(v))) < 0.05
    return np.where(joint, np.float32(rng.random()), field)


def dots(rng: Generator, height: int, width: int) -> np.ndarray:
    """Turned grid of soft dots."""
    pitch = max(3.0, rng.uniform(0.15, 0.35) * max(height, width))
    u, v = _turned(rng, height, width)
    field = np.cos(2 * np.pi * u / pitch) * np.cos(2 * np.pi * v / pitch)
    return np.clip(0.5 + 2 * field, 0, 1).astype(np.float32)


def _scribble(rng: Generator, picture: np.ndarray) -> None:
    """Draw thin unlabelled lines and arcs into the picture."""
    height, width = picture.shape[:2]
    for _ in range(int(rng.integers(0, 7))):
        ink = color(rng).tolist()
        thickness = int(rng.integers(1, max(2, round(0.012 * width)) + 1))
        start = rng.uniform(0, 1, 2) * (width, height)
        steps = rng.normal(0, 0.12, (5, 2)) * (width, height)
        line = np.round(start + np.cumsum(steps, axis=0)).astype(np.int32)
        cv2.polylines(picture, [line], rng.random() < 0.2, ink, thickness, cv2.LINE_AA)


def _turned(rng: Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel coordinates in a frame turned by a random angle, each (H, W)."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle = rng.uniform(0, np.pi)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return x * cos + y * sin, y * cos - x * sin


def _ramp(rng: Generator, height: int, width: int) -> np.ndarray:
    """Coordinate along a random direction, in units of the longer side."""
    return _turned(rng, height, width)[0] / max(height, width)


def _stretch(field: np.ndarray) -> np.ndarray:
    low, high = float(field.min()), float(field.max())
    return (field - low) / max(high - low, 1e-6)
