"""A set laid out like KITTI's, of solid boxes on a plain, whose labels fit its pictures."""

from pathlib import Path

import cv2
import numpy as np

from centernet_plugin.datasets.kitti_files import KittiObjects, write_objects

SIZE = 96, 320  # height, width
FOCAL = 180.0
# As KITTI's: camera 2 stands a little beside the reference camera, and behind it.
P2 = np.array([[FOCAL, 0, 158, 11], [0, FOCAL, 40, 0.05], [0, 0, 1, 0.003]])
GROUND = 1.6  # metres below the camera
SIZES = dict(Pedestrian=(1.75, 0.7, 0.8), Car=(1.5, 1.6, 3.9), Cyclist=(1.7, 0.6, 1.8))  # h, w, l
COLORS = dict(Pedestrian=(60, 60, 220), Car=(220, 80, 60), Cyclist=(60, 200, 60))  # BGR
FACES = [(0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7), (4, 5, 6, 7)]  # the front first
LIGHT = (1.15, 0.8, 0.5, 0.8, 1.0)


def make_kitti(
    root: Path, frames: int = 4, *, seed: int = 0, most: int = 3, types: tuple = tuple(SIZES)
) -> dict[str, KittiObjects]:
    """Write images, calibrations, labels and ImageSets/train.txt and val.txt (all frames each).

    Args:
        root: gets ``training`` and ``ImageSets``.
        frames: how many.
        seed: same seed, same set.
        most: objects of a frame, at least one; none hides another.
        types: to choose from; the first objects are of each in turn.

    Returns:
        The objects of each frame by its name, '000000' and so on.
    """
    rng, result, count = np.random.default_rng(seed), {}, 0
    for folder in ('image_2', 'calib', 'label_2'):
        (root / 'training' / folder).mkdir(parents=True, exist_ok=True)
    (root / 'ImageSets').mkdir(exist_ok=True)
    for number in range(frames):
        frame, rows = f'{number:06d}', []
        while len(rows) < 1 + number % most:
            row = draw_object(rng, types[count % len(types)])
            if row and not any(overlaps(row['bbox'], other['bbox']) for other in rows):
                rows.append(row)
                count += 1
        result[frame] = objects = as_objects(rows)
        cv2.imwrite(str(root / f'training/image_2/{frame}.png'), picture(objects, rng))
        write_calib(root / f'training/calib/{frame}.txt')
        write_objects(root / f'training/label_2/{frame}.txt', objects)
    for split in ('train', 'val'):
        (root / f'ImageSets/{split}.txt').write_text('\n'.join(result) + '\n')
    return result


def draw_object(rng: np.random.Generator, name: str) -> dict | None:
    """A random object wholly in the picture, or None."""
    dimensions = np.array(SIZES[name]) * rng.uniform(0.9, 1.1, 3)
    z, ry = rng.uniform(6, 18), rng.uniform(-np.pi, np.pi)
    location = np.array([rng.uniform(-0.8, 0.8) * z, GROUND, z])
    pixels = project_corners(location, dimensions, ry)[:, :2]
    bbox = np.concatenate([pixels.min(0), pixels.max(0)])
    if (bbox[:2] < 1).any() or (bbox[2:] > np.array(SIZE[::-1]) - 2).any():
        return None
    middle = location - [0, dimensions[0] / 2, 0]
    u = P2[0] @ [*middle, 1] / (P2[2] @ [*middle, 1])
    alpha = wrap(ry - np.arctan2(u - P2[0, 2], FOCAL))
    return dict(
        type=name, bbox=bbox, dimensions=dimensions, location=location, alpha=alpha, rotation_y=ry
    )


def as_objects(rows: list[dict]) -> KittiObjects:
    n = len(rows)
    column = {key: np.array([row[key] for row in rows]) for key in rows[0] if key != 'type'}
    return KittiObjects(
        [row['type'] for row in rows],
        truncated=np.zeros(n),
        occluded=np.zeros(n, int),
        alphas=column['alpha'],
        bboxes=column['bbox'],
        dimensions=column['dimensions'],
        locations=column['location'],
        rotations_y=column['rotation_y'],
    )


def picture(objects: KittiObjects, rng: np.random.Generator) -> np.ndarray:
    """Sky, ground, and boxes with a bright front, the nearest on top. uint8 (H, W, 3) BGR"""
    height, width = SIZE
    image = np.full((height, width, 3), 110.0)
    image[: round(P2[1, 2])] = 190
    image += rng.normal(0, 4, image.shape)
    for i in np.argsort(-objects.locations[:, 2]):
        corners = project_corners(
            objects.locations[i], objects.dimensions[i], objects.rotations_y[i]
        )
        faces = sorted(range(len(FACES)), key=lambda f: -corners[list(FACES[f]), 2].mean())
        for face in faces:
            points = np.round(corners[list(FACES[face]), :2]).astype(np.int32)
            color = np.array(COLORS[objects.types[i]]) * LIGHT[face] + 70 * (face == 0)
            cv2.fillConvexPoly(image, points, color.clip(0, 255).tolist())
    return image.clip(0, 255).astype(np.uint8)


def project_corners(location: np.ndarray, dimensions: np.ndarray, ry: float) -> np.ndarray:
    """Pixels and depth of a box's corners from the centre of its BOTTOM, one by one. (8, 3)"""
    height, width, length = dimensions
    points = []
    for up in (0, height):
        for along, across in ((1, 1), (1, -1), (-1, -1), (-1, 1)):
            a, b = along * length / 2, across * width / 2
            x = location[0] + np.cos(ry) * a + np.sin(ry) * b
            z = location[2] - np.sin(ry) * a + np.cos(ry) * b
            u, v, depth = P2 @ [x, location[1] - up, z, 1]
            points.append((u / depth, v / depth, depth))
    return np.array(points)


def write_calib(path: Path, matrix: np.ndarray = P2) -> None:
    rows = dict(P0=matrix, P1=matrix, P2=matrix, P3=matrix, R0_rect=np.eye(3))
    rows['P0'] = rows['P1'] = rows['P3'] = np.eye(3, 4)  # who reads them is wrong
    text = [f'{name}: ' + ' '.join(f'{v:.12e}' for v in rows[name].ravel()) for name in rows]
    path.write_text('\n'.join(text) + '\n\n')


def overlaps(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((np.maximum(a[:2], b[:2]) < np.minimum(a[2:], b[2:])).all())


def wrap(angle: float) -> float:
    """Into [-pi, pi]."""
    return float(np.arctan2(np.sin(angle), np.cos(angle)))
