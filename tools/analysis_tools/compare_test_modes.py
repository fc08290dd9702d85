"""What mirrored and multi-scale testing give and cost: ``compare_test_modes.py CONFIG CHECKPOINT``.

Tests the checkpoint in every mode and prints one table: what the config's metric says, and
milliseconds per image.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from math import isfinite
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
from centernet_plugin.engine.test_modes import TEST_MODES, num_views, use_mode  # noqa: E402

COLUMNS = {  # of COCO's twelve numbers and VOC's; other metrics are shown under their own names
    'coco/bbox_mAP': 'AP',
    'coco/bbox_mAP_50': 'AP50',
    'coco/bbox_mAP_75': 'AP75',
    'coco/bbox_mAP_s': 'APs',
    'coco/bbox_mAP_m': 'APm',
    'coco/bbox_mAP_l': 'APl',
    'pascal_voc/mAP': 'mAP',
    'pascal_voc/AP50': 'AP50',
    'pascal_voc/AP75': 'AP75',
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
        help='default: all, at several scales if tta_pipeline has several',
    )
    parser.add_argument(
        '--work-dir', help='folder for logs and test_modes.json (default: that of the config)'
    )
    cli.add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    console = Console(highlight=False, file=sys.stdout, width=None if sys.stdout.isatty() else 110)
    modes = list(dict.fromkeys(args.modes or TEST_MODES))
    if not args.modes:
        cfg = cli.read_config(args.config, args.cfg_options)
        if num_views(cfg.get('tta_pipeline')) == 1:
            modes = [mode for mode in modes if 'multi-scale' not in mode]
            console.print('tta_pipeline has one scale only: the multi-scale tests are left out')
    # All of them first: what is wrong with the last one should not show after hours.
    configs = {mode: configure(args, mode) for mode in modes}
    results = {}
    for i, (mode, cfg) in enumerate(configs.items()):
        console.print(f'test {i + 1} of {len(configs)}: {mode}')
        results[mode] = test(cfg, console)
        path = Path(cfg.work_dir).parent.with_suffix('.json')
        path.write_text(json.dumps(results, indent=2, allow_nan=False) + '\n')
    console.print(table(results))
    console.print(where())
    console.print(f'All numbers: {path}')


def configure(args: argparse.Namespace, mode: str) -> Config:
    """The config for the test in one of the modes.

    Raises:
        UserInputError: the config does not have what the mode needs, or there is no checkpoint.
    """
    cfg = cli.read_config(args.config, args.cfg_options)
    use_mode(cfg, mode)
    cli.use_checkpoint(cfg, args.checkpoint)
    # Two tests may start in the same second, which is all that mmengine's names tell apart: they
    # would share a log and the record of times.
    stem = Path(args.config).stem
    cfg.experiment_name = f'{stem}-{mode}'  # mmengine adds the time
    work_dir = args.work_dir or cfg.get('work_dir') or f'work_dirs/{stem}'
    cfg.work_dir = str(Path(work_dir) / 'test_modes' / mode)
    hooks = dict(cfg.get('default_hooks') or {}, timer=dict(type='IterTimerHook'))
    hooks.pop('visualization', None)  # drawing would count as time of the test
    cfg.default_hooks = hooks
    return cfg


def test(cfg: Config, console: Console) -> dict[str, float | None]:
    """The metric's numbers, and those of :func:`milliseconds`; None for what is not a number."""
    with hushed():  # pycocotools prints a page
        runner = QuietRunner.from_cfg(cfg)
        runner.register_hook(TestBarHook(console))
        metrics = runner.test()
    loader = runner.test_dataloader
    time, data_time = (
        runner.message_hub.get_scalar(f'test/{name}').data[0] for name in ('time', 'data_time')
    )
    ms = milliseconds(time, data_time, min(loader.batch_sampler.batch_size, len(loader.dataset)))
    values = {key: float(value) for key, value in {**metrics, **ms}.items()}
    return {key: round(value, 4) if isfinite(value) else None for key, value in values.items()}


def milliseconds(
    time: Sequence[float], data_time: Sequence[float], batch_size: int
) -> dict[str, float]:
    """``ms`` and ``ms_loading`` of one image.

    The median over the batches, so that the first, which warms up, does not count; ``ms_loading``
    is what the loading processes could not hide.

    Args:
        time: seconds of each batch, loading included.
        data_time: seconds that each batch was waited for.
        batch_size: images in a full batch.
    """
    time, data_time = np.asarray(time), np.asarray(data_time)
    ms = dict(ms=time - data_time, ms_loading=data_time)
    return {name: 1000 * float(np.median(value)) / batch_size for name, value in ms.items()}


def table(results: dict[str, dict[str, float | None]]) -> Table:
    """One row per mode."""
    first = next(iter(results.values()))
    columns = [key for key in COLUMNS if key in first]
    columns = columns or [key for key in first if not key.startswith('ms')]
    out = Table()
    out.add_column('test', no_wrap=True)
    for key in columns:
        out.add_column(COLUMNS.get(key, key), justify='right')
    out.add_column('ms/image', justify='right')
    out.add_column('', justify='right')
    for mode, row in results.items():
        cells = [cell(key, row[key]) for key in columns]
        out.add_row(mode, *cells, f'{row["ms"]:.1f}', f'x {row["ms"] / first["ms"]:.1f}')
    return out


def cell(key: str, value: float | None) -> str:
    """The :data:`COLUMNS` in percent, what other metrics say as it is."""
    if key not in COLUMNS:
        return '-' if value is None else f'{value:g}'
    # -1: there is nothing of this size to find.
    return '-' if value is None or value < 0 else f'{100 * value:.1f}'


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
