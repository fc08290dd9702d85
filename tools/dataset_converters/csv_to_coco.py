"""Boxes in CSV files, and a folder of images, as COCO JSON, one file per table.

    python tools/dataset_converters/csv_to_coco.py train.csv val.csv --images data/cats/images \\
        --out data/cats/coco_json

A row is a box; columns are found by their names (filename, xmin, ymin, xmax, ymax, class, or x, y,
w, h), or told by --columns. Without a header: image, x1, y1, x2, y2, class, as RetinaNet's. A row
without box and class is an image without objects.
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

from centernet_plugin.datasets.converters import (  # noqa: E402
    PIXELS,
    CsvOptions,
    ImageFolder,
    read_csv,
)
from centernet_plugin.datasets.converters.command import (  # noqa: E402
    add_arguments,
    convert,
    given_classes,
)
from centernet_plugin.datasets.converters.csv_table import ALIASES, BOXES  # noqa: E402
from centernet_plugin.errors import UserInputError  # noqa: E402

CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / 'centernet'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('tables', nargs='+', help='CSV files, each a split that it names')
    parser.add_argument('--images', required=True, help='folder of the images')
    parser.add_argument(
        '--columns',
        nargs='+',
        default=[],
        metavar='KEY=NAME',
        help=f'what columns are called, or their numbers from 1; keys: {", ".join(ALIASES)} '
        '(width and height are the image)',
    )
    parser.add_argument(
        '--no-header', action='store_true', help='the first line is a row (default: looked at)'
    )
    parser.add_argument(
        '--boxes',
        choices=BOXES,
        help='two corners; first corner and size; centre and size (default: as the header says)',
    )
    parser.add_argument(
        '--pixels',
        choices=PIXELS,
        default='edges',
        help='what corners count (default: edges): '
        + '; '.join(f'{key}: {what}' for key, what in PIXELS.items()),
    )
    parser.add_argument(
        '--relative', action='store_true', help='coordinates are parts of the image, 0 to 1'
    )
    parser.add_argument('--delimiter', help='between columns (default: as in the first line)')
    parser.add_argument(
        '--keep-unlisted',
        action='store_true',
        help='images without a row are images without objects',
    )
    add_arguments(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    classes = given_classes(args)
    options = CsvOptions(
        columns=parse_columns(args.columns),
        header=False if args.no_header else None,
        boxes=args.boxes,
        pixels=args.pixels,
        relative=args.relative,
        delimiter={'tab': '\t', '\\t': '\t'}.get(args.delimiter, args.delimiter),
        encoding=args.encoding,
        class_name=classes[0] if classes and len(classes) == 1 else None,
        keep_unlisted=args.keep_unlisted,
    )
    images = ImageFolder(args.images)
    convert(
        lambda tally, advance: read_csv(args.tables, images, tally, options, advance=advance),
        args,
        base=CONFIGS / 'centernet_r18-dcnv2_8xb16-modern-140e_coco.py',
    )


def parse_columns(pairs: list[str]) -> dict[str, str]:
    """Names by key from ``KEY=NAME``."""
    for pair in pairs:
        if '=' not in pair:
            raise UserInputError(f'--columns {pair} is not KEY=NAME, such as image=file')
    return dict(pair.split('=', 1) for pair in pairs)


if __name__ == '__main__':
    sys.exit(cli.run(main))
