"""Annotations in Pascal VOC's layout (XML) as COCO JSON, one file per split.

    python tools/dataset_converters/voc_to_coco.py BCCD_Dataset/BCCD --out data/bccd/coco_json

VOC's pixels count from 1 and a box includes its last pixel; COCO's box is a corner and a size.
Boxes are clipped to the image, and those with nothing left are dropped, counted and named.
"""

import argparse
import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('root', type=Path, help='folder with Annotations/ and ImageSets/Main/')
    parser.add_argument('--out', type=Path, required=True, help='folder of the JSON files')
    parser.add_argument('--splits', nargs='+', help='default: all in ImageSets/Main')
    parser.add_argument(
        '--classes', nargs='+', help='class names in the order wanted (default: in order of use)'
    )
    args = parser.parse_args()
    lists = args.root / 'ImageSets' / 'Main'
    splits = args.splits or sorted(path.stem for path in lists.glob('*.txt'))
    if not splits:
        print(f"error: no split lists (*.txt) in '{lists}'", file=sys.stderr)
        return 2
    # One numbering of images and classes for all splits.
    names = sorted(path.stem for path in (args.root / 'Annotations').glob('*.xml'))
    numbers = {name: i for i, name in enumerate(names, 1)}
    classes = list(args.classes or [])
    args.out.mkdir(parents=True, exist_ok=True)
    for split in splits:
        lines = (lists / f'{split}.txt').read_text().splitlines()
        listed = [line.split()[0] for line in lines if line.strip()]
        missing = [name for name in listed if name not in numbers]
        if missing:
            print(f"error: '{split}' lists {missing[0]!r}, which has no XML", file=sys.stderr)
            return 2
        coco, dropped = convert(args.root, listed, numbers, classes, bool(args.classes))
        path = args.out / f'instances_{split}.json'
        path.write_text(json.dumps(coco))
        print(f'{path}: {len(coco["images"])} images, {len(coco["annotations"])} boxes', end='')
        print(f', dropped without extent: {", ".join(dropped)}' if dropped else '')
    print(f'classes=({", ".join(map(repr, classes))})')
    return 0


def convert(
    root: Path, listed: list[str], numbers: dict[str, int], classes: list[str], fixed: bool
) -> tuple[dict, list[str]]:
    """One split; new class names are appended to ``classes`` unless it is ``fixed``."""
    images, annotations, dropped = [], [], []
    for name in listed:
        tree = ElementTree.parse(root / 'Annotations' / f'{name}.xml')
        width, height = (int(tree.findtext(f'size/{side}')) for side in ('width', 'height'))
        file_name = f'{name}{Path(tree.findtext("filename") or "x.jpg").suffix or ".jpg"}'
        images.append(dict(id=numbers[name], file_name=file_name, width=width, height=height))
        for item in tree.iter('object'):
            label = item.findtext('name')
            if label not in classes:
                if fixed:
                    raise SystemExit(f'error: {name}.xml has the class {label!r}, not in --classes')
                classes.append(label)
            low_x, low_y, high_x, high_y = (
                float(item.findtext(f'bndbox/{key}')) for key in ('xmin', 'ymin', 'xmax', 'ymax')
            )
            left, top = max(low_x - 1, 0), max(low_y - 1, 0)
            box = [left, top, min(high_x, width) - left, min(high_y, height) - top]
            if min(box[2:]) <= 0 or high_x <= low_x or high_y <= low_y:
                dropped.append(f'{name} ({label})')
                continue
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=numbers[name],
                    category_id=classes.index(label) + 1,
                    bbox=box,
                    area=box[2] * box[3],
                    iscrowd=0,
                    ignore=int(item.findtext('difficult') or 0),
                )
            )
    categories = [dict(id=i, name=label) for i, label in enumerate(classes, 1)]
    return dict(images=images, annotations=annotations, categories=categories), dropped


if __name__ == '__main__':
    sys.exit(main())
