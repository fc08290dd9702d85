"""A small set of stick figures with joints, in COCO's format, that a network can learn."""

import json
from pathlib import Path

import cv2
import numpy as np

COLORS = ((60, 60, 255), (255, 200, 60), (80, 230, 80), (230, 80, 230), (60, 220, 240))  # BGR


def joint_names(joints: int) -> tuple[str, ...]:
    """Of the figures: one or two in the middle and pairs of left and right."""
    middle = ('head',) if joints % 2 else ('head', 'tail')
    return middle + tuple(
        f'{side}_{i + 1}' for i in range((joints - len(middle)) // 2) for side in ('left', 'right')
    )


def write_tiny_pose(
    root: Path,
    images: int = 8,
    joints: int = 5,
    size: int = 128,
    people: int = 2,
    hidden: float = 0.0,
    seed: int = 0,
) -> dict:
    """Write ``root/images`` and ``root/person_keypoints.json``.

    A figure is as good as its mirror image: sides have the same colours, and left joints lie to
    the right of right ones, as of people who look at the camera. Figures of an image do not touch.

    Args:
        root: folder, which may be there.
        images: number of images, square and of ``size``.
        joints: J of a figure, at least 2.
        people: figures in an image, at most; image i has ``1 + i % people``.
        hidden: share of the joints that are drawn, but not annotated.
        seed: of all chance.

    Returns:
        Arguments for CocoPoseDataset: data_root, ann_file, data_prefix.
    """
    rng, names = np.random.default_rng(seed), joint_names(joints)
    (root / 'images').mkdir(parents=True, exist_ok=True)
    middle = 2 - joints % 2
    bones = [(0, i) for i in range(1, joints)]
    entries, annotations = [], []
    for i in range(images):
        image = rng.integers(20, 60, (size, size, 3), np.uint8)
        count = 1 + i % people
        for column in range(count):
            points = _figure(rng, joints, middle, size, column * size / count, size / count)
            for a, b in bones:
                _line(image, points[a], points[b])
            for j, point in enumerate(points):
                color = COLORS[(j if j < middle else middle + (j - middle) // 2) % len(COLORS)]
                cv2.circle(image, np.round(point).astype(int).tolist(), size // 40 + 1, color, -1)
            visible = np.where(rng.random(joints) < hidden, 0, 2)
            (x1, y1), (x2, y2) = points.min(0) - size / 30, points.max(0) + size / 30
            rows = np.column_stack([points, visible]) * (visible > 0)[:, None]
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=i + 1,
                    category_id=1,
                    bbox=[float(v) for v in (x1, y1, x2 - x1, y2 - y1)],
                    area=float((x2 - x1) * (y2 - y1)) * 0.6,
                    iscrowd=0,
                    keypoints=rows.reshape(-1).tolist(),
                    num_keypoints=int((visible > 0).sum()),
                )
            )
        entries.append(dict(id=i + 1, file_name=f'{i}.png', width=size, height=size))
        cv2.imwrite(str(root / 'images' / f'{i}.png'), image)
    category = dict(
        id=1, name='person', keypoints=names, skeleton=[(a + 1, b + 1) for a, b in bones]
    )
    data = dict(images=entries, annotations=annotations, categories=[category])
    (root / 'person_keypoints.json').write_text(json.dumps(data))
    return dict(
        data_root=str(root), ann_file='person_keypoints.json', data_prefix=dict(img='images/')
    )


def _figure(rng, joints: int, middle: int, size: int, left: float, width: float) -> np.ndarray:
    """Joints (J, 2) in pixels, inside the column of ``width`` from x = ``left`` on."""
    reach = min(width, size) * rng.uniform(0.28, 0.38)
    margin = reach + size / 25
    x, y = left + rng.uniform(margin, width - margin), rng.uniform(margin, size - margin)
    points = np.zeros((joints, 2))
    points[0] = x, y - 0.8 * reach
    points[1:middle] = x, y + 0.8 * reach
    pairs = (joints - middle) // 2
    for pair in range(pairs):
        for side in range(2):
            angle = -0.4 + 1.6 * (pair + rng.uniform(0.2, 0.8)) / pairs  # from the side downwards
            offset = np.array([np.cos(angle), np.sin(angle)]) * reach * rng.uniform(0.75, 0.95)
            points[middle + 2 * pair + side] = x + (1, -1)[side] * offset[0], y + offset[1]
    return points


def _line(image: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    ends = [np.round(point).astype(int).tolist() for point in (a, b)]
    cv2.line(image, *ends, (200, 200, 200), max(1, image.shape[0] // 90), cv2.LINE_AA)
