"""Detects on images and draws what it finds: ``python tools/infer.py IMAGE CONFIG CHECKPOINT``."""

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

if find_spec('centernet_plugin') is None:
    # Not installed: this is a checkout, and the package lies beside the folder of this script.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
try:  # before mmdet, for which this supplies what is missing
    from centernet_plugin.engine import cli
except RuntimeError as error:  # an unsupported version of something; the message says which
    sys.exit(f'error: {error}')

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from centernet_plugin.apis import CenterNetInferencer, result_names  # noqa: E402
from centernet_plugin.datasets.kitti_files import read_camera  # noqa: E402
from centernet_plugin.errors import UserInputError  # noqa: E402
from centernet_plugin.models.branches import DepthBranch  # noqa: E402
from centernet_plugin.visualization import draw_birds_eye  # noqa: E402

SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.ppm', '.tif', '.tiff', '.webp')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Detect on images: pictures go to OUT_DIR/vis, json to OUT_DIR/preds, '
        'with a camera views from above to OUT_DIR/birds_eye.'
    )
    parser.add_argument('images', help='an image or a folder of images')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out-dir', default='out', help='folder of the results (default: out)')
    parser.add_argument(
        '--calib',
        help="KITTI's calibration of the camera, for boxes in space: a file for all images, or a "
        'folder with one of the name of each image',
    )
    parser.add_argument('--device', help='such as cpu or cuda:0 (default: a GPU if there is one)')
    parser.add_argument('--batch-size', type=cli.positive, default=1)
    parser.add_argument('--score-thr', type=float, default=0.3, help='least score to draw')
    cli.add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cli.require_file(args.checkpoint, 'checkpoint')
    config = cli.read_config(args.config, args.cfg_options)
    images = find_images(Path(args.images))
    inputs = [str(image) for image in images]
    if args.calib:
        inputs = [
            dict(img_path=str(image), cam2img=camera_of(image, Path(args.calib)))
            for image in images
        ]
    cli.require_device(args.device)
    infer = CenterNetInferencer(config, args.checkpoint, device=args.device)
    in_space = any(isinstance(module, DepthBranch) for module in infer.model.modules())
    if args.calib and not in_space:
        raise UserInputError(
            '--calib is for boxes in space, and the model of this config finds none'
        )
    results = infer(
        inputs,
        batch_size=args.batch_size,
        out_dir=args.out_dir,
        pred_score_thr=args.score_thr,
        no_save_pred=False,
    )
    written = [f'pictures in {args.out_dir}/vis', f'json in {args.out_dir}/preds']
    if args.calib:
        names, folder = result_names(map(str, images)), Path(args.out_dir, 'birds_eye')
        classes = infer.model.dataset_meta['classes']
        for image, found in zip(images, results['predictions'], strict=True):
            draw_from_above(found, classes, folder / f'{names[str(image)]}.png', args.score_thr)
        written.append(f'views from above in {folder}')
    print(f'{len(images)} images: {", ".join(written)}')
    if in_space and not args.calib:
        print("boxes in space need the camera: --calib FILE, KITTI's, or a folder of them")


def draw_from_above(found: dict, classes: Sequence[str], path: Path, score_thr: float) -> None:
    """Write the bird's-eye view of an image's boxes in space, if it has any."""
    if 'locations' not in found or 'dimensions' not in found or 'rotations_y' not in found:
        return
    good = np.array(found['scores']) >= score_thr
    fields = [np.array(found[name])[good] for name in ('locations', 'dimensions', 'rotations_y')]
    labels = np.array(found['labels'])[good]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), draw_birds_eye(*fields, labels, classes))


def find_images(path: Path) -> list[Path]:
    """The image, or the images in the folder."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserInputError(f"image or folder '{path}' does not exist")
    found = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
    if not found:
        raise UserInputError(f"folder '{path}' has no images ({', '.join(SUFFIXES)})")
    return found


def camera_of(image: Path, calib: Path):
    """P2 of an image. (3, 4)"""
    return read_camera(str(calib / f'{image.stem}.txt' if calib.is_dir() else calib))


if __name__ == '__main__':
    sys.exit(cli.run(main))
