"""Draws pose_and_3d.jpg beside it: ``python docs/pictures/draw_pose_and_3d.py``.

Two small networks learn generated sets, of figures and of boxes on a plain, and say what they find
on images that they were not trained on.
"""

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / 'tests')]

from mmdet.registry import DATASETS  # noqa: E402
from mmengine.dataset import pseudo_collate  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402
from test_overfit_pose_3d import POSE, SPACE, build, pipeline  # noqa: E402
from tiny_kitti import P2, make_kitti  # noqa: E402
from tiny_pose import write_tiny_pose  # noqa: E402

import centernet_plugin  # noqa: E402, F401  before mmdet
from centernet_plugin.visualization import (  # noqa: E402
    draw_birds_eye,
    draw_boxes3d,
    draw_skeletons,
)

WIDTH, GAP = 1120, 8  # of the sheet, in pixels


def main() -> None:
    init_default_scope('mmdet')
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        rows = [*pose(Path(folder, 'pose')), *space(Path(folder, 'kitti'))]
    sheet = np.concatenate([np.pad(row, ((0, GAP), (0, 0), (0, 0)), **WHITE) for row in rows])
    cv2.imwrite(
        str(ROOT / 'docs/pictures/pose_and_3d.jpg'), sheet[:-GAP], [cv2.IMWRITE_JPEG_QUALITY, 88]
    )


WHITE = dict(mode='constant', constant_values=255)


def pose(root: Path) -> list[np.ndarray]:
    """Two rows: skeletons of the truth and of the detections."""
    sets = [
        DATASETS.build(
            dict(
                type='centernet_plugin.CocoPoseDataset',
                pipeline=pipeline(),
                **write_tiny_pose(root / str(seed), images=count, joints=7, people=3, seed=seed),
            )
        )
        for seed, count in ((0, 300), (1, 6))
    ]
    pairs = [(1, 2), (3, 4), (5, 6)]
    branches = [dict(b, num_joints=7, flip_pairs=pairs) if 'num_joints' in b else b for b in POSE]
    samples = train(sets, branches, classes=1, epochs=20)
    style = dict(skeleton=sets[1].metainfo['skeleton'], flip_pairs=pairs, scale=3)
    truth, found = [], []
    for sample in samples[1:6]:
        image = cv2.imread(sample.img_path)
        truth.append(draw_skeletons(image, sample.gt_instances.keypoints.numpy(), **style))
        good = sample.pred_instances[sample.pred_instances.scores > 0.3]
        found.append(draw_skeletons(image, good.keypoints.numpy(), **style))
    return [row(truth), row(found)]


def space(root: Path) -> list[np.ndarray]:
    """Rows of boxes in space in the image, and a last one from above, the truth dashed."""
    truth, sets = {}, []
    for seed, count in ((0, 500), (1, 6)):
        truth[seed] = make_kitti(root / str(seed), frames=count, seed=seed)
        sets.append(
            DATASETS.build(
                dict(
                    type='centernet_plugin.KittiDataset',
                    data_root=str(root / str(seed)),
                    pipeline=pipeline(
                        dict(type='centernet_plugin.FixResAffine', size=(320, 96), fit='width')
                    ),
                )
            )
        )
    samples = train(sets, SPACE, classes=3, epochs=45)
    names, drawn, above = sets[1].metainfo['classes'], [], []
    for sample in samples[2:6:2] + samples[1:2]:
        objects = truth[1][sample.img_id]
        centers = objects.locations - objects.dimensions[:, :1] / 2 * [0, 1, 0]
        labels = [names.index(kind) for kind in objects.types]
        good = sample.pred_instances[sample.pred_instances.scores > 0.3].numpy()
        found = good.locations, good.dimensions, good.rotations_y
        image = cv2.imread(sample.img_path)
        drawn.append(
            draw_boxes3d(image, *found, P2, good.labels, good.scores, names, scale=3, thickness=2)
        )
        size = dict(size=(720, 720), depth=22, step=5, thickness=3)
        map_of_truth = draw_birds_eye(
            centers, objects.dimensions, objects.rotations_y, labels,
            colors=[(150, 150, 150)] * len(labels), dashed=[True] * len(labels), **size,
        )  # fmt: skip
        above.append(draw_birds_eye(*found, good.labels, names, canvas=map_of_truth, **size))
    return [row(drawn), row(above)]


def train(sets: list, branches: list[dict], classes: int, epochs: int) -> list:
    """The samples of the second set, with detections, after training on the first."""
    model = build(branches, classes)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    samples = [sets[0][i] for i in range(len(sets[0]))]
    steps = epochs * (len(samples) // 16)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps, pct_start=0.2)
    for step in range(steps):
        chosen = np.random.default_rng(step).choice(len(samples), 16, replace=False)
        batch = pseudo_collate([samples[i] for i in chosen])
        inputs = model.data_preprocessor(batch, training=True)
        loss = sum(model(**inputs, mode='loss').values())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 35)
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            print(f'{step} / {steps}   loss {loss.item():.2f}', flush=True)
    model.eval()
    with torch.no_grad():
        return model.test_step(pseudo_collate([sets[1][i] for i in range(len(sets[1]))]))


def row(images: list[np.ndarray]) -> np.ndarray:
    """Images side by side, as wide as the sheet."""
    width = (WIDTH - GAP * (len(images) - 1)) // len(images)
    height = round(width * images[0].shape[0] / images[0].shape[1])
    images = [cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA) for image in images]
    parts = [np.pad(image, ((0, 0), (0, GAP), (0, 0)), **WHITE) for image in images]
    joined = np.concatenate(parts, axis=1)[:, :-GAP]
    return np.pad(joined, ((0, 0), (0, WIDTH - joined.shape[1]), (0, 0)), **WHITE)


if __name__ == '__main__':
    main()
