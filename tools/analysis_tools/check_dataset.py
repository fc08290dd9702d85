"""What a set is like and what is wrong with it, before anything is trained: first of all.

    python tools/analysis_tools/check_dataset.py CONFIG [--split train]

Needs the config alone, no weights. Prints tables and findings, the worst first, and writes
SPLIT.json (all of it), SPLIT_images.png (what the network will see and be told) and
SPLIT_histograms.png. Exit code: 0 without errors (there may be warnings), 1 with errors in the set,
2 if there is no such config or annotation file.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
import numpy as np  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.registry import MODELS, init_default_scope  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: E402

from centernet_plugin.datasets.inspection.check import Check, Options, check_split  # noqa: E402
from centernet_plugin.datasets.inspection.classes import class_counts  # noqa: E402
from centernet_plugin.datasets.inspection.images import objects_per_image  # noqa: E402
from centernet_plugin.datasets.inspection.report import as_dict, print_report  # noqa: E402
from centernet_plugin.datasets.inspection.sample import Sample  # noqa: E402
from centernet_plugin.errors import UserInputError  # noqa: E402
from centernet_plugin.models import CenterNetHead  # noqa: E402
from centernet_plugin.visualization import contact_sheet  # noqa: E402
from centernet_plugin.visualization.histograms import draw_histograms  # noqa: E402
from centernet_plugin.visualization.targets import draw_targets  # noqa: E402

console = Console(highlight=False)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file')
    parser.add_argument('--split', choices=['train', 'val', 'test'], default='train')
    parser.add_argument('--out-dir', type=Path, default='check', help='folder (default: check)')
    parser.add_argument('--num', type=int, default=16, help='images on the sheet (default: 16)')
    parser.add_argument(
        '--samples', type=int, default=200, help='training images to augment (default: 200)'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the samples (default: 0)')
    parser.add_argument(
        '--full', action='store_true', help='decode every image, and look for copies among them'
    )
    cli.add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    if args.num < 1 or args.samples < 1 or args.seed < 0:
        raise UserInputError('--num and --samples must be positive, --seed not negative')
    cfg = cli.read_config(args.config, args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    head, options = read_model(cfg)
    with progress_bars() as track:
        check = check_split(
            cfg,
            args.split,
            options,
            num_samples=args.samples,
            num_pictures=args.num,
            seed=args.seed,
            full=args.full,
            track=track,
        )
    console.rule(f'[bold]{args.split}[/] of {args.config}', align='left')
    print_report(check, console)
    for path in write(check, head, options, args.out_dir, Path(args.config).stem):
        console.print(f'  {path}', soft_wrap=True)
    if check.count('error'):
        raise SystemExit(1)


def read_model(cfg: Config) -> tuple[CenterNetHead, Options]:
    """The head that makes the targets, without its network, and the options that matter.

    Another head than ours has ours with its defaults as a stand-in.

    Raises:
        UserInputError: the head's options do not fit.
    """
    model = cfg.get('model') or {}
    config = dict(model.get('bbox_head') or {})
    options = Options(
        divisor=(model.get('data_preprocessor') or {}).get('pad_size_divisor', 1),
        num_classes=config.get('num_classes'),
    )
    with MODELS.switch_scope_and_registry(None) as registry:  # as a run looks it up
        kind = registry.get(str(config.get('type')))
    if not (isinstance(kind, type) and issubclass(kind, CenterNetHead)):
        options.stand_in_for = str(config['type']) if 'type' in config else ''
        return CenterNetHead(num_classes=1, in_channels=1, feat_channels=1), options
    for name in ('train_cfg', 'test_cfg'):
        config.setdefault(name, model.get(name))
    try:
        head = MODELS.build(config | dict(in_channels=1, feat_channels=1))
    except (TypeError, ValueError) as error:
        raise UserInputError(f'the head does not build: {error}') from error
    options.stride = head.stride
    options.max_per_img = min(head.test_cfg['max_per_img'], head.test_cfg['topk'])
    options.crowds_are_objects = head.train_cfg['crowd'] == 'object'
    return head, options


def write(
    check: Check, head: CenterNetHead, options: Options, out_dir: Path, title: str
) -> list[Path]:
    """Write JSON and pictures; returns their paths."""
    out_dir.mkdir(parents=True, exist_ok=True)
    paths = [out_dir / f'{check.name}.json']
    paths[0].write_text(json.dumps(as_dict(check), indent=2, ensure_ascii=False))
    table = check.split.table
    if table is not None and len(table):
        paths.append(out_dir / f'{check.name}_histograms.png')
        counts = class_counts(table)['objects'].tolist()
        draw_histograms(
            paths[-1],
            class_counts=dict(zip(table.classes, counts, strict=True)),
            objects_per_image=objects_per_image(table),
            image_sizes=table.sizes,
            sides={where: grid.side for where, grid in check.grids.items()},
            max_per_img=options.max_per_img,
            title=f'{title}, {check.name}: {len(table):,} images, {sum(counts):,} objects',
        )
    shown = [sample for sample in check.samples if sample.image is not None]
    if shown:
        classes = check.split.classes
        head.num_classes = max(len(classes), 1)  # an error elsewhere is no reason for no picture
        tiles = [draw_sample(sample, head, options, classes) for sample in shown]
        sheet = contact_sheet(
            tiles,
            [Path(sample.path).name for sample in shown],
            columns=2 if len(tiles) < 5 else 3 if len(tiles) < 10 else 4,
            title='left: the input of the network and its boxes; right: its targets, the heat-map '
            'with centre cells (squares) and ignored regions (hatched)',
        )
        paths.append(out_dir / f'{check.name}_images.png')
        if not cv2.imwrite(str(paths[-1]), sheet):
            raise UserInputError(f"cannot write the picture '{paths[-1]}'")
    return paths


def draw_sample(
    sample: Sample, head: CenterNetHead, options: Options, classes: tuple[str, ...]
) -> np.ndarray:
    """A sample and the targets that the head makes of it."""
    width, height = (-(-side // options.divisor) * options.divisor for side in sample.size)
    size = (height // options.stride, width // options.stride)
    targets = head.get_targets(size, [sample.instances(False)], [sample.instances(True)])
    ignore = targets.heatmap.dense_ignore()
    centers = targets.weight == 1  # of a neighbourhood the cell in the middle
    return draw_targets(
        sample.image,
        sample.boxes,
        sample.labels,
        sample.ignored & (not options.crowds_are_objects),
        heatmap=targets.heatmap.dense()[0].numpy(),
        cells=targets.cells[centers].numpy(),
        cell_labels=targets.field('labels')[centers].numpy(),
        ignore=None if ignore is None else ignore[0].numpy(),
        class_names=classes,
        stride=options.stride,
    )


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int], Callable[[int], None]]]:
    """What starts a bar on stderr, of a description and a number of steps."""
    columns = [TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn()]
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:

        def track(what: str, total: int) -> Callable[[int], None]:
            task = progress.add_task(what, total=total)
            return lambda steps: progress.advance(task, steps)

        yield track


if __name__ == '__main__':
    sys.exit(cli.run(main))
