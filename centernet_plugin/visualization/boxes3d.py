"""3D boxes drawn into the image and seen from above, with OpenCV alone.

The camera's frame has x to the right, y down and z ahead, in metres. A box has its CENTRE there
(KITTI's files have the centre of its bottom), its height, width and length, and the angle around y
between its front and x. Images are uint8 (H, W, 3) in BGR. No function changes its input.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from ..arrays import to_numpy
from ..space import box_corners
from .draw import FONT, class_color, draw_tags, enlarge, tag_text
from .panel import CARD, FAINT_INK, INK

FRONT, BOTTOM = (0, 1, 5, 4), (0, 1, 2, 3)  # corners around these faces
EDGES = np.array(
    [(0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7)]
)
CROSS = np.array([(0, 5), (1, 4)])  # over the front
NEAR = 0.1  # metres; what is nearer, or behind the camera, is not drawn
SHADOW = (20, 20, 20)


def draw_boxes3d(
    image: np.ndarray,
    locations: np.ndarray | Sequence,
    dimensions: np.ndarray | Sequence,
    rotations_y: np.ndarray | Sequence,
    cam2img: np.ndarray,
    labels: np.ndarray | Sequence[int],
    scores: np.ndarray | Sequence[float] | None = None,
    class_names: Sequence[str] = (),
    *,
    notes: Sequence[str] = (),
    colors: Sequence[tuple[int, int, int]] | None = None,
    dashed: Sequence[bool] = (),
    scale: float = 1,
    thickness: int | None = None,
    crowded: float = np.inf,
) -> np.ndarray:
    """Draw the edges of 3D boxes, the nearest on top, with a cross on each front.

    Args:
        image: uint8 (H, W, 3) BGR, or grey (H, W); the camera's whole image.
        locations: centres in the camera's frame, in metres; boxes that are not finite are left
            out. (N, 3)
        dimensions: height, width, length in metres. (N, 3)
        rotations_y: radians. (N,)
        cam2img: projection matrix P2 of the image. (3, 4)
        labels, scores, class_names, notes, colors, dashed, scale, thickness, crowded: as
            :func:`draw_boxes` takes them.

    Returns:
        New image, (round(H * scale), round(W * scale), 3).
    """
    canvas = enlarge(image, scale)
    height, width = canvas.shape[:2]
    corners = box_corners(locations, dimensions, rotations_y)
    labels = to_numpy(labels).astype(int).reshape(-1)
    colors = [class_color(label) for label in labels] if colors is None else colors
    points = project(corners, np.diag([scale, scale, 1]) @ np.asarray(cam2img, np.float64))
    thickness = thickness or max(1, round(min(height, width) / 180))
    extents = {}
    distances = points[..., 2].mean(1)
    for i in np.argsort(-distances, kind='stable'):  # NaN last, and not drawn
        if not np.isfinite(points[i]).all():
            continue
        style = dict(color=colors[i], dashed=bool(len(dashed) and dashed[i]))
        edges = clip_segments(points[i][EDGES], height, width)
        _draw_segments(canvas, edges, thickness=thickness, **style)
        cross = clip_segments(points[i][CROSS], height, width)
        _draw_segments(canvas, cross, thickness=max(1, thickness // 2), shadow=0, **style)
        if len(edges):
            ends = edges.reshape(-1, 2)
            extents[i] = np.round([*ends.min(0), *ends.max(0)]).astype(int).tolist()
    nearest_first = list(extents)[::-1]
    texts = [tag_text(i, labels, scores, class_names, notes) for i in nearest_first]
    boxes, paint = [extents[i] for i in nearest_first], [colors[i] for i in nearest_first]
    draw_tags(canvas, texts, boxes, paint, crowded)
    return canvas


def draw_birds_eye(
    locations: np.ndarray | Sequence,
    dimensions: np.ndarray | Sequence,
    rotations_y: np.ndarray | Sequence,
    labels: np.ndarray | Sequence[int],
    class_names: Sequence[str] = (),
    *,
    colors: Sequence[tuple[int, int, int]] | None = None,
    dashed: Sequence[bool] = (),
    size: tuple[int, int] = (720, 720),
    depth: float = 60,
    step: float = 10,
    thickness: int = 2,
    canvas: np.ndarray | None = None,
) -> np.ndarray:
    """Draw 3D boxes from above on a grid in metres, the camera at the bottom looking up.

    A line from the centre past the front shows where each object heads to.

    Args:
        locations, dimensions, rotations_y: as :func:`draw_boxes3d` takes them. (N, 3), (N, 3), (N,)
        labels: (N,) class indices.
        class_names: by class index; a legend of those that occur.
        colors: BGR per box; None for those of the classes.
        dashed: which boxes have a dashed line; as many as boxes, or empty for none.
        size: height and width of the picture in pixels.
        depth: metres from bottom to top.
        step: metres between lines of the grid.
        thickness: of boxes in pixels.
        canvas: an earlier picture of the same `size` and `depth` to draw upon.

    Returns:
        New picture, uint8 (height, width, 3) BGR.
    """
    height, width = size
    ratio = height / depth
    canvas = _grid(size, depth, step) if canvas is None else canvas.copy()
    corners = box_corners(locations, dimensions, rotations_y)
    labels = to_numpy(labels).astype(int).reshape(-1)
    colors = [class_color(label) for label in labels] if colors is None else colors
    above = np.ones((len(corners), 6, 3))  # bottom corners, centre, a point ahead of the front
    ground = corners[:, BOTTOM][..., [0, 2]]
    center, front = ground.mean(1), ground[:, :2].mean(1)
    ground = np.concatenate([ground, center[:, None], (1.5 * front - 0.5 * center)[:, None]], 1)
    above[..., :2] = ground * [ratio, -ratio] + [width / 2, height]
    outline = np.array([(0, 1), (1, 2), (2, 3), (3, 0)])
    for i, points in enumerate(above):
        if not np.isfinite(points).all():
            continue
        style = dict(color=colors[i], thickness=thickness)
        lines = clip_segments(points[outline], height, width)
        _draw_segments(canvas, lines, dashed=bool(len(dashed) and dashed[i]), **style)
        heading = clip_segments(points[[(4, 5)]], height, width)
        _draw_segments(canvas, heading, shadow=0, **style)
    y = 20
    for label in np.unique(labels):
        if 0 <= label < len(class_names):
            color = colors[int(np.flatnonzero(labels == label)[0])]
            cv2.rectangle(canvas, (8, y - 11), (20, y + 1), color, -1)
            cv2.putText(canvas, class_names[label], (26, y), FONT, 0.45, INK, 1, cv2.LINE_AA)
            y += 20
    return canvas


def project(points: np.ndarray, cam2img: np.ndarray) -> np.ndarray:
    """Points of the camera's frame in homogeneous pixels (x * d, y * d, d), d the depth.

    Args:
        points: metres. (..., 3)
        cam2img: (3, 4).

    Returns:
        (..., 3), float64; pixels are the first two divided by the third where that is positive.
    """
    return points @ cam2img[:, :3].T + cam2img[:, 3]


def clip_segments(
    segments: np.ndarray, height: int, width: int, *, near: float = NEAR, margin: int = 8
) -> np.ndarray:
    """The parts of lines that are ahead of the camera and on the picture.

    Cut before the division by the depth, which would turn round what is behind the camera.

    Args:
        segments: ends in homogeneous pixels. (M, 2, 3)
        height: of the picture in pixels.
        width: of the picture.
        near: least depth.
        margin: pixels that they may lie off the picture, so that it does not show the cut.

    Returns:
        Pixels x, y of the ends of what is left. (L, 2, 2), float64
    """
    x, y, d = np.moveaxis(np.asarray(segments, np.float64), -1, 0)  # (M, 2) each
    sides = (x + margin * d, (width + margin) * d - x, y + margin * d, (height + margin) * d - y)
    start, stop = np.zeros(len(x)), np.ones(len(x))
    for a, b in (side.T for side in (d - near, *sides)):  # each is negative where it is outside
        with np.errstate(divide='ignore', invalid='ignore'):
            crossing = a / (a - b)
        start = np.where((a < 0) & (b >= 0), np.maximum(start, crossing), start)
        stop = np.where((b < 0) & (a >= 0), np.minimum(stop, crossing), stop)
        stop = np.where((a < 0) & (b < 0), -1, stop)
    keep = start <= stop
    first, last = segments[keep, :1], segments[keep, 1:]
    part = np.stack([start[keep], stop[keep]], 1)[..., None]
    ends = first + part * (last - first)
    return ends[..., :2] / ends[..., 2:]


def _draw_segments(
    canvas: np.ndarray,
    segments: np.ndarray,
    color: tuple[int, int, int],
    thickness: int,
    *,
    dashed: bool = False,
    shadow: int = 2,
) -> None:
    """Lines with a dark rim. segments: ends x, y in pixels (M, 2, 2)"""
    lines = [piece for ends in segments for piece in (_dashes(*ends) if dashed else [ends])]
    lines = np.round(lines).astype(int).tolist()
    for start, end in lines if shadow else ():
        cv2.line(canvas, start, end, SHADOW, thickness + shadow, cv2.LINE_AA)
    for start, end in lines:
        cv2.line(canvas, start, end, color, thickness, cv2.LINE_AA)


def _dashes(start: np.ndarray, end: np.ndarray) -> list[np.ndarray]:
    """Every other piece of a line, the first and the last among them."""
    pieces = 2 * max(0, round(np.abs(end - start).max() / 14)) + 1
    points = np.linspace(start, end, pieces + 1)
    return list(np.stack([points[:-1:2], points[1::2]], 1))


def _grid(size: tuple[int, int], depth: float, step: float) -> np.ndarray:
    """Ground in metres as :func:`draw_birds_eye` has it, with the camera."""
    height, width = size
    canvas = np.full((height, width, 3), CARD, np.uint8)
    ratio, line = height / depth, tuple(int(value) + 26 for value in CARD)
    for z in np.arange(step, depth, step):
        y = round(height - z * ratio)
        cv2.line(canvas, (0, y), (width, y), line, 1)
        cv2.putText(canvas, f'{z:g} m', (width - 48, y - 4), FONT, 0.4, FAINT_INK, 1, cv2.LINE_AA)
    for x in np.arange(0, width / 2 / ratio, step):
        for side in (-1, 1):
            column = round(width / 2 + side * x * ratio)
            cv2.line(canvas, (column, 0), (column, height), line, 1)
    x, y = width // 2, height - 1
    cv2.fillConvexPoly(canvas, np.array([(x, y), (x - 9, y - 14), (x + 9, y - 14)]), FAINT_INK)
    return canvas
