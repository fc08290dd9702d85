"""A detector as one program of torch.export: ``export_torch.py CONFIG CHECKPOINT OUT.pt2``.

Pixels in, detections out: normalisation, network and decoding are in the file, for any batch and
size of images; ``torch.export.load`` needs nothing but PyTorch. It is compared with the detector
before it is written. docs/deploy.md says what the inputs, outputs and metadata are.
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

import torch  # noqa: E402

from centernet_plugin.deploy.loading import load_detector  # noqa: E402
from centernet_plugin.deploy.torch_program import make_program  # noqa: E402


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', metavar='CONFIG', help='config file')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='checkpoint file')
    parser.add_argument('out', metavar='OUT.pt2', help='file to write')
    parser.add_argument(
        '--raw-maps', action='store_true', help="the head's maps as outputs instead of detections"
    )
    parser.add_argument(
        '--shape',
        nargs=3,
        type=cli.positive,
        metavar=('BATCH', 'HEIGHT', 'WIDTH'),
        help='for this one shape of images (default: any)',
    )
    parser.add_argument(
        '--dtype',
        choices=['float32', 'float16', 'bfloat16'],
        default='float32',
        help='precision of the network; inputs and detections are float32 (default: float32)',
    )
    parser.add_argument('--no-check', action='store_true', help='do not compare with the detector')
    parser.add_argument(
        '--tolerance',
        type=float,
        help='difference of maps from the detector, as a part of their largest value, from which '
        'to fail (default: 0.001, with float16 0.05, with bfloat16 0.2)',
    )
    cli.add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cli.require_file(args.checkpoint, 'checkpoint')
    config = cli.read_config(args.config, args.cfg_options)
    out = Path(args.out)
    cli.require_place(out)
    model, classes = load_detector(config, args.checkpoint)
    make_program(
        model,
        out,
        classes=classes,
        config=config,
        raw_maps=args.raw_maps,
        dtype=getattr(torch, args.dtype),
        shape=args.shape and tuple(args.shape),
        check=not args.no_check,
        tolerance=args.tolerance,
        report=lambda text: print(text, flush=True),
    )


if __name__ == '__main__':
    sys.exit(cli.run(main))
