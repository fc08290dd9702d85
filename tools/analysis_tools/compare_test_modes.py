"""What mirrored and multi-scale testing give and cost: ``compare_test_modes.py CONFIG CHECKPOINT``.

Tests the checkpoint in every mode and prints one table: what the config's metric says, and
milliseconds per image.
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

import numpy as np  # noqa: E402
import torch  # noqa: E402
from mmengine.config import Config  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from centernet_plugin.engine.progress import TestBarHook  # noqa: E402
from centernet_plugin.engine.quiet_runner import QuietRunner, hushed  # noqa: E402
from centernet_plugin.engine.test_modes import TEST_MODES, use_mode  # noqa: E402

COLUMNS = {  # of COCO's twelve numbers and VOC's one; other metrics are shown under their own names
    'coco/bbox_mAP': 'AP',
    'coco/bbox_mAP_50': 'AP50',
    'coco/bbox_mAP_75': 'AP75',
    'coco/bbox_mAP_s': 'APs',
    'coco/bbox_mAP_m': 'APm',
    'coco/bbox_mAP_l': 'APl',
    'pascal_voc/mAP': 'mAP',
    'pascal_voc/AP50': 'AP50',
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Test a checkpoint plain, mirrored and at several scales; AP and time of each.'
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--modes',
        nargs='+',
        choices=TEST_MODES,
        default=list(TEST_MODES),
        help='default: %(default)s; the scales are those of tta_pipeline',
    )
    parser.add_argument(
        '--work-dir', help='folder for logs and test_modes.json (default: that of the config)'
    )
    cli.add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    console = Console(highlight=False, file=sys.stdout, width=None if sys.stdout.isatty() else 110)
    results = {}
    for mode in dict.fromkeys(args.modes):
        cfg = cli.read_config(args.config, args.cfg_options)
        cfg.work_dir = args.work_dir or cfg.get('work_dir') or f'work_dirs/{Path(args.config).stem}'
        console.print(f'test {len(results) + 1} of {len(args.modes)}: {mode}')
        results[mode] = test(cfg, args, mode, console)
        path = Path(cfg.work_dir) / 'test_modes.json'
        path.write_text(json.dumps(results, indent=2) + '\n')
    console.print(table(results))
    console.print(where())
    console.print(f'All numbers: {path}')


def test(cfg: Config, args: argparse.Namespace, mode: str, console: Console) -> dict[str, float]:
    """The metric's numbers, ``ms`` and ``ms_loading`` per image.

    The median over the batches, so that the first, which warms up, does not count; ``ms_loading``
    is what the loading processes could not hide.
    """
    use_mode(cfg, mode)
    cli.use_checkpoint(cfg, args.checkpoint)
    cfg.default_hooks.pop('visualization', None)
    with hushed():  # pycocotools prints a page
        runner = QuietRunner.from_cfg(cfg)
        runner.register_hook(TestBarHook(console))
        metrics = runner.test()
    images = runner.test_dataloader.batch_size
    times = {
        name: 1000 * np.median(runner.message_hub.get_scalar(f'test/{name}').data[0]) / images
        for name in ('time', 'data_time')
    }
    ms = dict(ms=times['time'] - times['data_time'], ms_loading=times['data_time'])
    return {key: round(float(value), 4) for key, value in (metrics | ms).items()}


def table(results: dict[str, dict[str, float]]) -> Table:
    """One row per mode."""
    metrics = next(iter(results.values()))
    columns = [key for key in COLUMNS if key in metrics]
    columns = columns or [key for key in metrics if not key.startswith('ms')]
    first = next(iter(results.values()))['ms']
    out = Table()
    out.add_column('test', no_wrap=True)
    for key in columns:
        out.add_column(COLUMNS.get(key, key), justify='right')
    out.add_column('ms/image', justify='right')
    out.add_column('', justify='right')
    for mode, row in results.items():
        cells = [f'{100 * row[key]:.1f}' if row[key] >= 0 else '-' for key in columns]
        out.add_row(mode, *cells, f'{row["ms"]:.1f}', f'x {row["ms"] / first:.1f}')
    return out


def where() -> str:
    """What the milliseconds were measured on."""
    if torch.cuda.is_available():
        device = torch.cuda.get_device_name()
    else:
        device = f'CPU, threads: {torch.get_num_threads()}'
    return (
        f'Milliseconds from the loaded image to its detections, the median batch; {device}, '
        f'torch {torch.__version__}.'
    )


if __name__ == '__main__':
    sys.exit(cli.run(main))
