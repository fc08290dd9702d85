"""A small set of comets, whose tails show how fast they fly and where, in COCO's format."""

import json
from pathlib import Path

import cv2
import numpy as np

CLASSES = ('disc', 'box', 'star')  # those of the demo's config
HEADS = ((80, 80, 255), (255, 160, 60), (90, 230, 90))  # BGR
TAIL = (190, 190, 190)


def write_comets(root: Path, images: int = 6, size: int = 128, seed: int = 0) -> Path:
    """Write ``root/train``, ``root/val`` and ``root/annotations``, as the demo's config has them.

    Both splits are the same images of two comets each. Every third annotation of an image after
    the first has a velocity of null: nobody knows it.

    Args:
        root: folder, which may be there.
        images: number of them, square and of ``size``.
        seed: of all chance.

    Returns:
        The annotation file of the training.
    """
    rng = np.random.default_rng(seed)
    for folder in ('train', 'val', 'annotations'):
        (root / folder).mkdir(parents=True, exist_ok=True)
    entries, annotations = [], []
    for i in range(images):
        image = rng.integers(10, 40, (size, size, 3), np.uint8)
        for column in range(2):
            label, number = int(rng.integers(3)), len(annotations)
            head = rng.uniform((0.15, 0.3), (0.35, 0.7)) * size + (column * size / 2, 0)
            angle, speed = rng.uniform(-np.pi, np.pi), rng.uniform(0.04, 0.14) * size
            velocity = speed * np.array([np.cos(angle), np.sin(angle)])
            x1, y1, x2, y2 = draw_comet(image, head, velocity, label)
            known = number % 3 or number < 2
            annotations.append(
                dict(
                    id=number + 1,
                    image_id=i + 1,
                    category_id=label + 1,
                    bbox=[x1, y1, x2 - x1, y2 - y1],
                    area=(x2 - x1) * (y2 - y1),
                    iscrowd=0,
                    velocity=velocity.tolist() if known else None,
                )
            )
        entries.append(dict(id=i + 1, file_name=f'{i}.png', width=size, height=size))
        for folder in ('train', 'val'):
            cv2.imwrite(str(root / folder / f'{i}.png'), image)
    categories = [dict(id=i + 1, name=name) for i, name in enumerate(CLASSES)]
    data = dict(images=entries, annotations=annotations, categories=categories)
    for split in ('train', 'val'):
        (root / 'annotations' / f'instances_{split}.json').write_text(json.dumps(data))
    return root / 'annotations' / 'instances_train.json'


def draw_comet(
    image: np.ndarray, head: np.ndarray, velocity: np.ndarray, label: int
) -> tuple[float, float, float, float]:
    """Draw a head and, behind it, a tail of 1.5 velocities; gives the box around the head.

    Args:
        image: (H, W, 3), drawn into.
        head: its centre. (2,)
        velocity: pixels per frame. (2,)
        label: chooses the colour.

    Returns:
        x1, y1, x2, y2.
    """
    radius = image.shape[0] / 16
    side = radius * 0.8 * np.array([-velocity[1], velocity[0]]) / np.linalg.norm(velocity)
    # The tail begins at the rim of the head, so that all of its length is to be seen.
    start = head - velocity / np.linalg.norm(velocity) * radius * 0.6
    tail = [start + side, start - side, head - velocity * 1.5 - (head - start)]
    cv2.fillConvexPoly(image, np.round(tail).astype(np.int32), TAIL)
    cv2.circle(image, np.round(head).astype(int).tolist(), round(radius), HEADS[label], -1)
    x1, y1, x2, y2 = *(head - radius), *(head + radius)
    return float(x1), float(y1), float(x2), float(y2)
