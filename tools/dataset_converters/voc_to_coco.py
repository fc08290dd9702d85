"""Annotations in Pascal VOC's layout (XML) as COCO JSON, one file per split.

    python tools/dataset_converters/voc_to_coco.py BCCD_Dataset/BCCD --out data/bccd/coco_json

Takes Annotations/, ImageSets/Main/ and JPEGImages/, or XML files and images in one folder. VOC's
pixels count from 1 and a box includes its last pixel; COCO's box is a corner and a size. Boxes are
cut at the image's border; those with nothing left are dropped, counted and named.
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

from centernet_plugin.datasets.converters import PIXELS, find_voc, read_voc  # noqa: E402
from centernet_plugin.datasets.converters.command import add_arguments, convert  # noqa: E402

CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / 'centernet'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('root', help='folder with Annotations/, or with XML files')
    parser.add_argument('--images', help='folder of the images (default: JPEGImages/ or images/)')
    parser.add_argument('--splits', nargs='+', help='default: all in ImageSets/Main')
    parser.add_argument(
        '--pixels',
        choices=PIXELS,
        default='voc',
        help='what corners count (default: voc): '
        + '; '.join(f'{key}: {what}' for key, what in PIXELS.items()),
    )
    parser.add_argument(
        '--keep-unlisted',
        action='store_true',
        help='images without an XML file are images without objects',
    )
    add_arguments(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    layout = find_voc(args.root, images=args.images, splits=args.splits, encoding=args.encoding)
    convert(
        lambda tally, advance: read_voc(
            layout,
            tally,
            pixels=args.pixels,
            keep_unlisted=args.keep_unlisted,
            advance=advance,
        ),
        args,
        base=CONFIGS / 'centernet_r18-dcnv2_8xb16-modern-140e_coco.py',
    )


if __name__ == '__main__':
    sys.exit(cli.run(main))
