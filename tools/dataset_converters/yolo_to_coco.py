"""YOLO's text labels as COCO JSON, one file per split.

    python tools/dataset_converters/yolo_to_coco.py data/cats --out data/cats/coco_json

Takes a data.yaml, lists (train.txt), or images/ and labels/ beside each other, with train/ and val/
in or above them; class names of data.yaml, classes.txt or obj.names. Outlines become boxes; images
without a label file have no objects.
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

from centernet_plugin.datasets.converters import find_yolo, read_yolo  # noqa: E402
from centernet_plugin.datasets.converters.command import add_arguments, convert  # noqa: E402

CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / 'centernet'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('root', help='folder of the set, or its data.yaml')
    parser.add_argument(
        '--names',
        metavar='FILE',
        help='names of the classes, a line each or a data.yaml (default: looked for in the folder)',
    )
    add_arguments(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    layout = find_yolo(args.root, args.names, args.encoding)
    convert(
        lambda tally, advance: read_yolo(layout, tally, encoding=args.encoding, advance=advance),
        args,
        base=CONFIGS / 'centernet_r18-dcnv2_8xb16-modern-140e_coco.py',
    )


if __name__ == '__main__':
    sys.exit(cli.run(main))
