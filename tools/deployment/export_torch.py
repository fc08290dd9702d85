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

from centernet_plugin.deploy.export_arguments import (  # noqa: E402
    add_export_arguments,
    export_options,
    read_export_config,
)
from centernet_plugin.deploy.loading import load_detector  # noqa: E402
from centernet_plugin.deploy.torch_program import make_program  # noqa: E402


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_export_arguments(parser, 'OUT.pt2', '0.001, with float16 0.05, with bfloat16 0.2')
    parser.add_argument(
        '--dtype',
        choices=['float32', 'float16', 'bfloat16'],
        default='float32',
        help='precision of the network; inputs and detections are float32 (default: float32)',
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    config = read_export_config(args)
    model, classes = load_detector(config, args.checkpoint)
    make_program(model, args.out, classes=classes, config=config, **export_options(args))


if __name__ == '__main__':
    sys.exit(cli.run(main))
