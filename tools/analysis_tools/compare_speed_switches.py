"""Whether the speed switches cost accuracy: ``compare_speed_switches.py CONFIG --epochs 6``.

Trains and tests the config with all switches off, with all on, and with each alone, and prints
one table of what the metric says and of the seconds that training took.
"""

import argparse
import json
import sys
import time
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
from mmengine.config import Config  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from centernet_plugin.engine.quiet_runner import QuietRunner, hushed  # noqa: E402
from centernet_plugin.engine.speed_switches import SWITCHES, set_switches  # noqa: E402

METRICS = {'coco/bbox_mAP': 'AP', 'coco/bbox_mAP_50': 'AP50', 'pascal_voc/mAP': 'mAP'}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file')
    parser.add_argument('--epochs', type=int, help="default: the config's")
    parser.add_argument(
        '--seeds', type=int, nargs='*', default=[0, 1, 2], help='of all off and all on'
    )
    parser.add_argument(
        '--seeds-alone', type=int, nargs='*', default=[0], help='of each switch alone'
    )
    parser.add_argument(
        '--switches', nargs='+', choices=SWITCHES, default=SWITCHES, help='default: all of them'
    )
    parser.add_argument('--work-dir', help='default: work_dirs/CONFIG/speed_switches')
    cli.add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    console = Console(highlight=False, file=sys.stdout, width=None if sys.stdout.isatty() else 110)
    folder = Path(args.work_dir or f'work_dirs/{Path(args.config).stem}/speed_switches')
    runs = [
        (name, names, seed)
        for name, names in (('all off', ()), ('all on', args.switches))
        for seed in args.seeds
    ]
    runs += [(name, (name,), seed) for name in args.switches for seed in args.seeds_alone]
    # All of them first: what is wrong with the last one should not show after hours.
    configs = [configure(args, folder, *run) for run in runs]
    results: dict[str, list[dict]] = {}
    for i, ((name, _, seed), cfg) in enumerate(zip(runs, configs, strict=True)):
        console.print(f'training {i + 1} of {len(runs)}: {name}, seed {seed}')
        results.setdefault(name, []).append(dict(seed=seed, **run(cfg)))
        path = folder / 'speed_switches.json'
        path.write_text(json.dumps(results, indent=1) + '\n')
    console.print(table(results))
    console.print(f'All numbers: {path}')


def configure(
    args: argparse.Namespace, folder: Path, name: str, switches: tuple[str, ...], seed: int
) -> Config:
    """The config of one training."""
    cfg = cli.read_config(args.config, args.cfg_options)
    set_switches(cfg, switches)
    cfg.randomness = dict(seed=seed)
    if args.epochs:
        shorten(cfg, args.epochs)
    slug = f'{name.replace(" ", "_")}-{seed}'
    # Two trainings may start in the same second, which is all that mmengine's names tell apart.
    cfg.experiment_name = f'{Path(args.config).stem}-{slug}'
    cfg.work_dir = str(folder / slug)
    return cfg


def shorten(cfg: Config, epochs: int) -> None:
    """So many epochs, schedules of the learning rate scaled along, one evaluation at the end."""
    factor = epochs / cfg.train_cfg.max_epochs
    cfg.train_cfg.update(max_epochs=epochs, val_interval=epochs)
    for schedule in cfg.get('param_scheduler') or []:
        if not schedule.get('by_epoch', True):
            continue
        for key in ('begin', 'end', 'total_steps', 'T_max'):
            if key in schedule:
                schedule[key] = round(schedule[key] * factor)
        if 'milestones' in schedule:
            schedule.milestones = [round(step * factor) for step in schedule.milestones]


def run(cfg: Config) -> dict[str, float]:
    """Trains and tests; the metric's numbers, and ``seconds`` of training."""
    torch._dynamo.reset()
    with hushed():
        runner = QuietRunner.from_cfg(cfg)
        start = time.perf_counter()
        runner.train()
        seconds = time.perf_counter() - start
        metrics = runner.test()
    return {key: float(value) for key, value in metrics.items()} | dict(seconds=seconds)


def table(results: dict[str, list[dict]]) -> Table:
    """A row per switch: the metric of every seed, the mean, and seconds."""
    first = next(iter(results.values()))[0]
    out = Table()
    out.add_column('switches', no_wrap=True)
    columns = [key for key in METRICS if key in first]
    for key in columns:
        out.add_column(METRICS[key], justify='right')
        out.add_column('by seed', justify='right')
    out.add_column('seconds', justify='right')
    for name, rows in results.items():
        cells = []
        for key in columns:
            values = [100 * row[key] for row in rows]
            cells.append(f'{sum(values) / len(values):.1f}')
            cells.append(' '.join(f'{value:.1f}' for value in values) if len(values) > 1 else '')
        seconds = sum(row['seconds'] for row in rows) / len(rows)
        out.add_row(name, *cells, f'{seconds:.0f}')
    return out


if __name__ == '__main__':
    sys.exit(cli.run(main))
