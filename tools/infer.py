"""Detects on images, videos and cameras: ``python tools/infer.py IMAGES CONFIG CHECKPOINT``."""

import argparse
import sys
from collections.abc import Sequence
from functools import cache
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

from centernet_plugin.apis import (  # noqa: E402
    CenterNetInferencer,
    Frame,
    InferenceRunner,
    find_sources,
)
from centernet_plugin.datasets.kitti_files import read_camera  # noqa: E402
from centernet_plugin.engine.test_modes import TEST_MODES, use_mode, use_tta  # noqa: E402
from centernet_plugin.errors import UserInputError  # noqa: E402
from centernet_plugin.models.branches import DepthBranch  # noqa: E402
from centernet_plugin.visualization import draw_birds_eye  # noqa: E402


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Detect on images, videos and cameras: pictures and mp4 files go to '
        'OUT_DIR/vis, json to OUT_DIR/preds, with a camera calibration views from above to '
        'OUT_DIR/birds_eye. Ends with 1 if anything could not be read.'
    )
    parser.add_argument(
        'inputs',
        nargs='+',
        help="images, videos, folders of them, patterns such as 'photos/**/*.jpg', http "
        'addresses, text files that list any of these, a camera by its number or device',
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out-dir', default='out', help='folder of the results (default: out)')
    parser.add_argument(
        '--recursive', action='store_true', help='look into the folders of folders as well'
    )
    parser.add_argument(
        '--max-frames', type=int, metavar='N', help='stop a video or a camera after N frames'
    )
    parser.add_argument(
        '--calib',
        help="KITTI's calibration of the camera, for boxes in space: a file for all images, or a "
        'folder with one of the name of each image',
    )
    parser.add_argument('--device', help='such as cpu or cuda:0 (default: a GPU if there is one)')
    parser.add_argument('--batch-size', type=cli.positive, default=1)
    parser.add_argument(
        '--score-thr', type=float, default=0.3, help='draw what scores more (default: 0.3)'
    )
    parser.add_argument('--no-pictures', action='store_true', help='write the json only')
    parser.add_argument(
        '--visualizer',
        action='store_true',
        help="let the config's visualizer draw: slower, and with all that yours may draw",
    )
    parser.add_argument(
        '--show',
        action='store_true',
        help='show the pictures in a window; q or closing it ends, any key goes on',
    )
    augment = parser.add_mutually_exclusive_group()
    augment.add_argument(
        '--tta', action='store_true', help="test-time augmentation: the config's tta_* settings"
    )
    augment.add_argument(
        '--test-mode',
        choices=TEST_MODES,
        default='plain',
        help="a part of them: mirrored as well, at the tta_pipeline's scales, or both",
    )
    cli.add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cli.require_file(args.checkpoint, 'checkpoint')
    config = cli.read_config(args.config, args.cfg_options)
    if args.tta:
        use_tta(config)
    else:
        use_mode(config, args.test_mode)
    sources = find_sources(
        args.inputs,
        recursive=args.recursive,
        max_frames=args.max_frames,
        leave_out=[Path(args.out_dir, name) for name in ('vis', 'birds_eye')],
    )
    for path in (path for source in sources for path in source.paths if args.calib):
        camera_of(Path(path), Path(args.calib))  # whatever is missing, before the first detection
    cli.require_device(args.device)
    infer = CenterNetInferencer(config, args.checkpoint, device=args.device)
    in_space = any(isinstance(module, DepthBranch) for module in infer.model.modules())
    if args.calib and not in_space:
        raise UserInputError(
            '--calib is for boxes in space, and the model of this config finds none'
        )
    classes = infer.model.dataset_meta['classes']
    run = InferenceRunner(
        infer,
        args.out_dir,
        batch_size=args.batch_size,
        score_thr=args.score_thr,
        pictures=not args.no_pictures,
        visualizer=args.visualizer,
        show=args.show,
        cam2img=lambda frame: (
            camera_of(Path(frame.source), Path(args.calib)) if args.calib else None
        ),
        on_result=lambda frame, found: draw_from_above(frame, found, classes, args),
    )
    try:
        run(sources)
    finally:  # also of what was done before Ctrl-C
        if run.done:
            print(summary(run, args))
    if in_space and not args.calib:
        print("boxes in space need the camera: --calib FILE, KITTI's, or a folder of them")
    if run.skipped:
        sys.exit(1)


def summary(run: InferenceRunner, args: argparse.Namespace) -> str:
    """What was done, how fast, and where it lies."""
    written = [] if args.no_pictures else [f'pictures in {args.out_dir}/vis']
    written.append(f'json in {args.out_dir}/preds')
    if args.calib:
        written.append(f'views from above in {args.out_dir}/birds_eye')
    skipped = f', {run.skipped} skipped' if run.skipped else ''
    return f'{run.done} images{skipped}, {run.rate}: {", ".join(written)}'


def draw_from_above(
    frame: Frame, found: dict, classes: Sequence[str], args: argparse.Namespace
) -> None:
    """Write the bird's-eye view of an image's boxes in space, if it has any."""
    if 'locations' not in found or 'dimensions' not in found or 'rotations_y' not in found:
        return
    good = np.array(found['scores']) > args.score_thr  # as in the pictures
    fields = [np.array(found[name])[good] for name in ('locations', 'dimensions', 'rotations_y')]
    labels = np.array(found['labels'])[good]
    name = frame.name if frame.number is None else f'{frame.name}/{frame.number:06d}'
    path = Path(args.out_dir, 'birds_eye', f'{name}.png')
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), draw_birds_eye(*fields, labels, classes))


@cache
def camera_of(image: Path, calib: Path):
    """P2 of an image. (3, 4)"""
    return read_camera(str(calib / f'{image.stem}.txt' if calib.is_dir() else calib))


if __name__ == '__main__':
    sys.exit(cli.run(main))
