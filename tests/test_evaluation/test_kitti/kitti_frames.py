"""Small frames of KITTI for the tests of its evaluation."""

import numpy as np

from centernet_plugin.datasets.kitti_files import KittiObjects


def row(
    kind='Car',
    box=(0, 0, 100, 50),
    *,
    score=1.0,
    occluded=0,
    truncated=0.0,
    alpha=0.0,
    size=(1.5, 1.6, 4.0),
    place=(0.0, 1.6, 20.0),
    turn=0.0,
):
    """One object: type, box x1 y1 x2 y2, size h w l, place of the bottom, rotation_y."""
    return (kind, truncated, occluded, alpha, box, size, place, turn, score)


def frame(*rows):
    """Objects of an image, with scores."""
    types, truncated, occluded, alphas, boxes, sizes, places, turns, scores = (
        zip(*rows, strict=True) if rows else [()] * 9
    )
    return KittiObjects(
        types=list(types),
        truncated=np.array(truncated, float),
        occluded=np.array(occluded, int),
        alphas=np.array(alphas, float),
        bboxes=np.array(boxes, float).reshape(-1, 4),
        dimensions=np.array(sizes, float).reshape(-1, 3),
        locations=np.array(places, float).reshape(-1, 3),
        rotations_y=np.array(turns, float),
        scores=np.array(scores, float),
    )


def crowd(rng, count, kinds=('Car', 'Pedestrian', 'Van', 'Cyclist', 'Person_sitting'), easy=False):
    """Random objects of all difficulties, apart from each other in space, and DontCare regions."""
    rows = []
    for i in range(count):
        corner, size = rng.uniform(0, 300, 2), rng.uniform(15, 90, 2)
        rows.append(
            row(
                rng.choice(kinds),
                (*corner, *(corner + size)),
                occluded=0 if easy else rng.integers(0, 4),
                truncated=0 if easy else rng.choice([0, 0, 0.2, 0.4, 0.6]),
                alpha=rng.uniform(-np.pi, np.pi),
                size=rng.uniform([1.2, 0.6, 0.8], [2, 2, 5]),
                place=(6.0 * i, rng.uniform(1, 2), rng.uniform(5, 60)),
                turn=rng.uniform(-np.pi, np.pi),
            )
        )
    for _ in range(rng.integers(0, 3)):
        corner = rng.uniform(0, 300, 2)
        rows.append(
            row(
                'DontCare',
                (*corner, *(corner + rng.uniform(30, 150, 2))),
                occluded=-1,
                truncated=-1,
                alpha=-10,
                size=(-1, -1, -1),
                place=(-1000, -1000, -1000),
                turn=-10,
            )
        )
    return frame(*rows)


def detections_near(rng, objects, noise=1.0, levels=20):
    """Detections of most objects, some twice, some of another class, and false ones.

    Scores have few levels, so that many are equal.
    """
    rows = []
    for i, kind in enumerate(objects.types):
        if kind == 'DontCare' or rng.random() < 0.1:
            continue
        for _ in range(1 + (rng.random() < 0.3)):
            name = kind if rng.random() < 0.9 else rng.choice(['Car', 'Pedestrian'])
            rows.append(
                row(
                    {'Van': 'Car', 'Person_sitting': 'Pedestrian'}.get(name, name),
                    objects.bboxes[i] + rng.normal(0, 3 * noise, 4),
                    score=rng.integers(1, levels) / levels,
                    alpha=objects.alphas[i] + rng.normal(0, 0.5 * noise),
                    size=np.abs(objects.dimensions[i] + rng.normal(0, 0.1 * noise, 3)),
                    place=objects.locations[i] + rng.normal(0, 0.15 * noise, 3),
                    turn=objects.rotations_y[i] + rng.normal(0, 0.1 * noise),
                )
            )
    for _ in range(rng.poisson(2 * noise)):
        corner = rng.uniform(0, 300, 2)
        rows.append(
            row(
                rng.choice(['Car', 'Pedestrian', 'Cyclist']),
                (*corner, *(corner + rng.uniform(10, 60, 2))),
                score=rng.integers(1, levels) / levels,
                place=(rng.uniform(-200, -100), 1.6, rng.uniform(5, 60)),
            )
        )
    return frame(*(rows[i] for i in rng.permutation(len(rows))))
