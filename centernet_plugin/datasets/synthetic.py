"""A small COCO-format detection set, drawn on demand, so that the demo needs no download.

Three classes that only shape tells apart (disc, box, star), in random colours, textures and light,
turned, from a tenth to half of the image side, on textured backgrounds, a fifth of them partly
covered by one another or by leaves and branches of no class; some images are empty, and one image
of each split has a crowd.

Boxes and polygons are those of the **whole** object, the covered part included; an object is never
covered by more than 60 %. The field `cover` of an annotation (not part of COCO) is that share.
"""

import json
import os
import warnings
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..errors import UserInputError
from .synthetic_scene import COVERED, Scene, make_scene
from .synthetic_shapes import CLASSES

VERSION = 1  # raise it when the same parameters give other pictures
EMPTY_EVERY = 25  # the images 12, 37, 62, ... of a split are empty
CROWD_INDEX = 3  # this image of each split has the crowd
_STAMP = 'synthetic.json'
_SPLITS = ('train', 'val')


def generate(
    out_dir: str | os.PathLike,
    *,
    num_train: int = 400,
    num_val: int = 100,
    image_size: tuple[int, int] = (192, 192),
    seed: int = 0,
    progress: bool = True,
) -> Path:
    """Make the set, or reuse it where the same call made it before.

    An image depends on the seed, its split and its number only, so a larger set begins with the
    images of a smaller one. A set of other parameters in the same place, or one that was
    interrupted, is made anew.

    Args:
        out_dir: Folder of the set; gets `train/`, `val/`, `annotations/instances_{train,val}.json`
            and a stamp with the parameters.
        num_train: Number of training images.
        num_val: Number of validation images.
        image_size: Height and width of every image in pixels, at least 64.
        seed: Non-negative seed.
        progress: Show a progress bar on stderr.

    Returns:
        `out_dir` as a path.

    Raises:
        UserInputError: A parameter makes no sense, or `out_dir` holds something that this function
            did not make.
    """
    height, width = (int(s) for s in image_size)
    if min(height, width) < 64:
        raise UserInputError(f'image_size must be at least 64 x 64 pixels, got {height} x {width}')
    if num_train < 1 or num_val < 1:
        raise UserInputError(
            f'a set needs at least one image per split, got {num_train} for training and '
            f'{num_val} for validation'
        )
    if seed < 0:
        raise UserInputError(f'seed must not be negative, got {seed}')
    out_dir = Path(out_dir)
    counts = {'train': int(num_train), 'val': int(num_val)}
    stamp = dict(version=VERSION, seed=int(seed), image_size=[height, width], **counts)
    if _read_stamp(out_dir) == dict(stamp, complete=True) and _is_complete(out_dir, counts):
        return out_dir
    _clear(out_dir)
    (out_dir / 'annotations').mkdir(parents=True, exist_ok=True)
    _write_json(out_dir / _STAMP, dict(stamp, complete=False))
    columns = [TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn()]
    bar = Progress(
        *columns, TimeRemainingColumn(), console=Console(stderr=True), disable=not progress
    )
    with bar:
        task = bar.add_task('drawing images', total=sum(counts.values()))
        for split in _SPLITS:
            (out_dir / split).mkdir(exist_ok=True)
            images, annotations = [], []
            for index in range(counts[split]):
                name = f'{index:06d}.jpg'
                scene = scene_of(seed, split, index, (height, width))
                _write_image(out_dir / split / name, scene.image)
                images.append(_image_record(index + 1, name, height, width))
                annotations += annotations_of(scene, index + 1, len(annotations) + 1)
                bar.advance(task)
            content = coco_document(images, annotations, split)
            _write_json(out_dir / 'annotations' / f'instances_{split}.json', content)
    _write_json(out_dir / _STAMP, dict(stamp, complete=True))
    return out_dir


def statistics(annotation_file: str | os.PathLike) -> dict:
    """Measure the properties that the set promises.

    Args:
        annotation_file: A COCO annotation file written by `generate`.

    Returns:
        Dict with `images`, `objects` (without crowds), `classes` (name -> count), `empty_images`,
        `crowds`, `objects_per_image` (mean over images that are not empty), `covered_share` (share
        of objects of which at least a tenth is hidden), `max_cover`, `size_quantiles` (longer side
        of the box over shorter side of the image, at 0, 5, 25, 50, 75, 95 and 100 %), and
        `size_histogram` (shares of the objects in [0.1, 0.2), [0.2, 0.3), [0.3, 0.4), [0.4, 0.5]).
    """
    data = json.loads(Path(annotation_file).read_text())
    sides = {image['id']: min(image['height'], image['width']) for image in data['images']}
    names = {category['id']: category['name'] for category in data['categories']}
    objects = [a for a in data['annotations'] if not a['iscrowd']]
    sizes = np.array([max(a['bbox'][2:]) / sides[a['image_id']] for a in objects])
    covers = np.array([a['cover'] for a in objects])
    used = {a['image_id'] for a in data['annotations']}
    bins = np.histogram(sizes, [0, 0.2, 0.3, 0.4, 1])[0] / max(len(sizes), 1)
    levels = (0, 5, 25, 50, 75, 95, 100)
    return dict(
        images=len(sides),
        objects=len(objects),
        classes={n: sum(a['category_id'] == i for a in objects) for i, n in names.items()},
        empty_images=len(sides) - len(used),
        crowds=len(data['annotations']) - len(objects),
        objects_per_image=round(len(objects) / max(len(used), 1), 2),
        covered_share=round(float((covers >= COVERED[0]).mean()), 4) if len(covers) else 0.0,
        max_cover=round(float(covers.max(initial=0)), 4),
        size_quantiles={
            f'{p}%': round(float(np.percentile(sizes, p)), 4) for p in levels if len(sizes)
        },
        size_histogram=[round(float(b), 4) for b in bins],
    )


def scene_of(seed: int, split: str, index: int, image_size: tuple[int, int]) -> Scene:
    """Paint image `index` of a split; the splits never share a stream of chance."""
    rng = np.random.default_rng([seed, _SPLITS.index(split), index])
    empty = index % EMPTY_EVERY == EMPTY_EVERY // 2
    return make_scene(rng, *image_size, empty=empty, crowd=index == CROWD_INDEX)


def annotations_of(scene: Scene, image_id: int, first_id: int) -> list[dict]:
    """COCO annotations of a scene, the crowd (run-length encoded) last."""
    records = []
    for item in scene.objects:
        low, high = item.outline.min(axis=0), item.outline.max(axis=0)
        x, y = item.outline.T
        area = 0.5 * abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))))
        records.append(
            dict(
                id=first_id + len(records),
                image_id=image_id,
                category_id=item.label + 1,
                bbox=[round(float(v), 2) for v in (*low, *(high - low))],
                area=round(area, 2),
                segmentation=[[round(float(v), 2) for v in item.outline.reshape(-1)]],
                iscrowd=0,
                cover=round(item.cover, 4),
            )
        )
    if scene.crowd is not None:
        label, mask = scene.crowd
        ys, xs = np.nonzero(mask)
        x1, y1, x2, y2 = (int(v) for v in (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1))
        records.append(
            dict(
                id=first_id + len(records),
                image_id=image_id,
                category_id=label + 1,
                bbox=[x1, y1, x2 - x1, y2 - y1],
                area=int(mask.sum()),
                segmentation=dict(counts=run_lengths(mask), size=list(mask.shape)),
                iscrowd=1,
                cover=0.0,
            )
        )
    return records


def coco_document(images: list[dict], annotations: list[dict], split: str) -> dict:
    """Content of a COCO annotation file."""
    return dict(
        info=dict(
            description=f'Synthetic shapes of centernet_plugin, {split}',
            url='',
            version=str(VERSION),
            year=2025,
            contributor='centernet_plugin',
            date_created='2025-01-01',
        ),
        licenses=[
            dict(id=1, name='CC0 1.0', url='https://creativecommons.org/publicdomain/zero/1.0/')
        ],
        images=images,
        annotations=annotations,
        categories=[
            dict(id=i + 1, name=name, supercategory='shape') for i, name in enumerate(CLASSES)
        ],
    )


def run_lengths(mask: np.ndarray) -> list[int]:
    """Uncompressed COCO run lengths of a mask (H, W): columns first, zeros first."""
    flat = np.concatenate([[False], mask.astype(bool).reshape(-1, order='F')])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    return [int(n) for n in np.diff(np.concatenate([[0], edges, [mask.size]]))]


def _image_record(image_id: int, name: str, height: int, width: int) -> dict:
    return dict(
        id=image_id,
        file_name=name,
        height=height,
        width=width,
        license=1,
        coco_url='',
        flickr_url='',
        date_captured='2025-01-01 00:00:00',
    )


def _write_image(path: Path, image: np.ndarray) -> None:
    encoded = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 93])[1]
    path.write_bytes(encoded.tobytes())  # imwrite only returns False where the disk is full


def _write_json(path: Path, content: dict) -> None:
    part = path.with_suffix('.part')
    part.write_text(json.dumps(content))
    part.replace(path)


def _read_stamp(out_dir: Path) -> dict | None:
    try:
        return json.loads((out_dir / _STAMP).read_text())
    except (OSError, ValueError):
        return None


def _is_complete(out_dir: Path, counts: dict[str, int]) -> bool:
    return all(
        (out_dir / 'annotations' / f'instances_{split}.json').is_file()
        and len(list((out_dir / split).glob('*.jpg'))) == count
        for split, count in counts.items()
    )


def _clear(out_dir: Path) -> None:
    """Remove an older set of ours; never touch anybody else's files."""
    if out_dir.exists() and not out_dir.is_dir():
        raise UserInputError(f'{out_dir} is a file, not a folder for the synthetic set')
    if not out_dir.exists() or not any(out_dir.iterdir()):
        return
    if not (out_dir / _STAMP).is_file():
        raise UserInputError(
            f'{out_dir} is not empty and was not made by this generator (no {_STAMP} in it); '
            'give another folder'
        )
    if _read_stamp(out_dir) is not None:
        warnings.warn(f'{out_dir}: unfinished or of other parameters, made anew', stacklevel=3)
    for split in _SPLITS:
        (out_dir / 'annotations' / f'instances_{split}.json').unlink(missing_ok=True)
        for path in (out_dir / split).glob('[0-9]' * 6 + '.jpg'):
            path.unlink()
