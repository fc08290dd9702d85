"""A detector as one ONNX file: ``export_onnx.py CONFIG CHECKPOINT OUT.onnx``.

Pixels in, detections out: normalisation, network and decoding are in the file, for any batch and
size of images, in standard operators. It is compared with PyTorch before it is written.
docs/deploy.md says what the file's inputs, outputs and metadata are.
"""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

if find_spec('centernet_plugin') is None:
    # Not installed: this is a checkout, and the package lies two folders above this script's.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
try:  # before mmdet, for which this supplies what is missing
    from centernet_plugin.engine import cli
except RuntimeError as error:  # an unsupported version of something; the message says which
    sys.exit(f'error: {error}')

from centernet_plugin.deploy.export_arguments import (  # noqa: E402
    add_export_arguments,
    export_options,
    read_export_config,
)
from centernet_plugin.deploy.loading import load_detector  # noqa: E402
from centernet_plugin.deploy.onnx_calibration import CalibrationImages  # noqa: E402
from centernet_plugin.deploy.onnx_file import make_onnx  # noqa: E402
from centernet_plugin.deploy.onnx_packages import require_packages  # noqa: E402


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_export_arguments(parser, 'OUT.onnx', '0.001, with float16 0.05, with int8 none')
    parser.add_argument(
        '--grid-sample',
        action='store_true',
        help='deformable convolution for programs without DeformConv, such as ONNX Runtime before '
        '1.25: slower',
    )
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument(
        '--dtype',
        choices=['float32', 'float16'],
        default='float32',
        help='precision of the network; inputs and detections are float32 (default: float32)',
    )
    precision.add_argument(
        '--int8',
        metavar='FOLDER',
        help='quantise the network by the images in this folder, as the test pipeline gives them',
    )
    parser.add_argument(
        '--calibration-images', type=cli.positive, default=64, help='so many of them (default: 64)'
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    require_packages()
    config = read_export_config(args)
    calibration = None
    if args.int8:
        calibration = CalibrationImages(config, args.int8, args.calibration_images)
    model, classes = load_detector(config, args.checkpoint)
    make_onnx(
        model,
        args.out,
        classes=classes,
        config=config,
        grid_sample=args.grid_sample,
        calibration=calibration,
        **export_options(args),
    )


if __name__ == '__main__':
    sys.exit(cli.run(main))
