"""Joints and the bones between them drawn on images with OpenCV alone.

Images are uint8 (H, W, 3) in BGR. No function changes its input.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from .draw import enlarge

# Told apart by the colour-blind; BGR.
LEFT, RIGHT, MIDDLE = (255, 160, 70), (60, 180, 255), (120, 225, 110)
FAR = 2**15  # pixels; OpenCV's lines overflow further out


def draw_skeletons(
    image: np.ndarray,
    keypoints: np.ndarray | Sequence,
    skeleton: Sequence[tuple[int, int]] = (),
    flip_pairs: Sequence[tuple[int, int]] = (),
    scores: np.ndarray | Sequence | None = None,
    *,
    threshold: float = 0.1,
    scale: float = 1,
    thickness: int | None = None,
) -> np.ndarray:
    """Draw a skeleton per object, the first one on top: left blue, right orange, the rest green.

    Args:
        image: Image, uint8 (H, W, 3) BGR, or grey (H, W).
        keypoints: (N, J, 2) as x, y in pixels of `image`; joints that are not finite are left out,
            and so are their bones.
        skeleton: Pairs of joints to draw a bone between.
        flip_pairs: Pairs of joints that mirror each other, the left one first.
        scores: (N, J) in [0, 1]; joints below the threshold are left out.
        threshold: See `scores`.
        scale: Enlarge the image by this first.
        thickness: Of bones in pixels; None for what suits the sizes of picture and object.

    Returns:
        New image, (round(H * scale), round(W * scale), 3).
    """
    canvas = enlarge(image, scale)
    points = np.asarray(keypoints, np.float64)
    if not points.size:
        return canvas
    if points.ndim != 3 or points.shape[2] != 2:
        raise ValueError(f'keypoints must be (N, J, 2), got {points.shape}')
    shown = np.isfinite(points).all(axis=2)
    if scores is not None:
        shown &= np.asarray(scores, np.float64) >= threshold
    points = np.clip(np.where(shown[..., None], points * scale, 0), -FAR, FAR)
    points = np.round(points).astype(int)
    sides = joint_sides(points.shape[1], flip_pairs)
    for places, visible in zip(points[::-1], shown[::-1], strict=True):
        extent = np.ptp(places[visible], axis=0).max() if visible.any() else 0
        width = thickness or max(1, round(min(min(canvas.shape[:2]) / 180, extent / 40)))
        bones = [(a, b) for a, b in skeleton if visible[a] and visible[b]]
        joints = np.flatnonzero(visible)
        for rim, dark in ((2, True), (0, False)):  # a rim first, for any background
            for a, b in bones:
                color = (20, 20, 20) if dark else bone_color(sides[a], sides[b])
                ends = places[a].tolist(), places[b].tolist()
                cv2.line(canvas, *ends, color, width + rim, cv2.LINE_AA)
            for joint in joints:
                color = (20, 20, 20) if dark else bone_color(sides[joint], sides[joint])
                radius = width + 1 + rim // 2
                cv2.circle(canvas, places[joint].tolist(), radius, color, -1, cv2.LINE_AA)
    return canvas


def joint_sides(count: int, flip_pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """-1 for left, 1 for right and 0 for the rest of ``count`` joints, (J,)."""
    sides = np.zeros(count, int)
    for left, right in flip_pairs:
        sides[left], sides[right] = -1, 1
    return sides


def bone_color(start: int, end: int) -> tuple[int, int, int]:
    """Colour of a bone between joints of these sides; across the body it is the middle's, BGR."""
    side = np.sign(start + end)
    return (LEFT, MIDDLE, RIGHT)[side + 1]
