"""Make the synthetic detection set: shapes on textured backgrounds, in COCO format.

python tools/dataset_converters/make_synthetic.py --out data/synthetic --sheet sheet.png
"""

import argparse
import json
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

import cv2  # noqa: E402

from centernet_plugin.datasets.synthetic import generate, statistics  # noqa: E402
from centernet_plugin.errors import UserInputError  # noqa: E402
from centernet_plugin.visualization import contact_sheet, draw_boxes  # noqa: E402


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', required=True, help='folder of the set')
    parser.add_argument('--num-train', type=int, default=400, help='training images')
    parser.add_argument('--num-val', type=int, default=100, help='validation images')
    parser.add_argument(
        '--size', type=int, nargs='+', default=[192], help='side, or height and width, in pixels'
    )
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--sheet', help='also write a picture of some annotated images here')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    if len(args.size) > 2:
        raise UserInputError(f'--size takes one or two numbers, got {len(args.size)}')
    size = (args.size[0], args.size[-1])
    out = generate(
        args.out,
        num_train=args.num_train,
        num_val=args.num_val,
        image_size=size,
        seed=args.seed,
    )
    for split in ('train', 'val'):
        path = out / 'annotations' / f'instances_{split}.json'
        print(f'{path}:')
        for key, value in statistics(path).items():
            print(f'  {key}: {value}')
    if args.sheet:
        Path(args.sheet).parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(args.sheet, annotated_sheet(out)):
            raise UserInputError(f'cannot write the picture {args.sheet}')
        print(f'picture: {args.sheet}')


def annotated_sheet(out: Path, count: int = 16):
    """Draw the first training images with their boxes, crowds among them, on one sheet."""
    data = json.loads((out / 'annotations' / 'instances_train.json').read_text())
    names = [c['name'] for c in data['categories']]
    tiles = []
    for record in data['images'][:count]:
        found = [a for a in data['annotations'] if a['image_id'] == record['id']]
        boxes = [[x, y, x + w, y + h] for x, y, w, h in (a['bbox'] for a in found)]
        labels = [a['category_id'] - 1 for a in found]
        image = cv2.imread(str(out / 'train' / record['file_name']))
        notes = ['crowd' if a['iscrowd'] else '' for a in found]
        tiles.append(draw_boxes(image, boxes, labels, class_names=names, notes=notes, scale=2))
    return contact_sheet(tiles, columns=4)


if __name__ == '__main__':
    sys.exit(cli.run(main))
