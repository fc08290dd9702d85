"""Why is AP what it is: ``analyze_results.py CONFIG CHECKPOINT [--out-dir DIR]``.

Tests on the config's test set and writes AP by class, size and IoU, plots of precision over recall
and of the scores, and pictures of the worst and the best images.
"""

import argparse
import csv
import json
import sys
from collections.abc import Iterable
from functools import partial
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
from mmdet.datasets.api_wrappers import COCO  # noqa: E402
from mmdet.registry import DATASETS  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.fileio import get_local_path  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402
from mmengine.runner import Runner  # noqa: E402
from rich import box  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import track  # noqa: E402
from rich.table import Table  # noqa: E402

from centernet_plugin.engine.heatmap import centre_heatmap  # noqa: E402
from centernet_plugin.engine.progress import TestBarHook  # noqa: E402
from centernet_plugin.engine.quiet_runner import QuietRunner, hushed  # noqa: E402
from centernet_plugin.errors import UserInputError  # noqa: E402
from centernet_plugin.evaluation import (  # noqa: E402
    Analysis,
    Detections,
    GroundTruth,
    object_counts,
    precision_recall,
    read_predictions,
    require_same_set,
    truth_of_annotations,
    truth_of_dataset,
)
from centernet_plugin.evaluation.matches import MAX_DETS  # noqa: E402
from centernet_plugin.evaluation.precision import SIZES  # noqa: E402
from centernet_plugin.visualization.gallery import draw_gallery  # noqa: E402
from centernet_plugin.visualization.plots import (  # noqa: E402
    FEW,
    plot_classes,
    plot_precision_recall,
    plot_scores,
)

IOUS = (0.5, 0.75)

# Bound to the real stdout: what others print is kept out of the way, see `hushed`.
console = Console(highlight=False, file=sys.stdout, width=None if sys.stdout.isatty() else 110)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file')
    parser.add_argument(
        'checkpoint',
        nargs='?',
        help='checkpoint file; may be left out with --predictions, the pictures then have no '
        'heat-maps',
    )
    parser.add_argument('--out-dir', default='analysis', help='folder of all results')
    parser.add_argument(
        '--predictions',
        metavar='FILE.pkl',
        help='what tools/test.py --out or an earlier analysis kept, instead of testing; also of '
        'test-time augmentation, while heat-maps are always of the plain network',
    )
    parser.add_argument(
        '--num', type=int, default=8, help='number of worst and of best images (default: 8)'
    )
    parser.add_argument(
        '--score-thr',
        type=float,
        help='score from which on detections are drawn and images ranked (default: that with the '
        'best F1 on the whole set)',
    )
    cli.add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    if args.num < 0:
        raise UserInputError(f'--num must not be negative, got {args.num}')
    if args.checkpoint is None and args.predictions is None:
        raise UserInputError('a checkpoint is needed to test, or --predictions with its results')
    out_dir = Path(args.out_dir)
    cfg = load_config(args, out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    with hushed():
        runner = prepare_runner(cfg) if args.checkpoint else None
        if args.predictions is None:
            predictions = test(runner, out_dir / 'predictions.pkl')
        else:
            predictions = args.predictions
            if runner is not None:
                load_weights(runner)
        dataset = runner.test_dataloader.dataset if runner else build_dataset(cfg)
        metric = coco_metric(cfg)
        truth = ground_truth(dataset, metric)
    content = read_predictions(predictions)
    require_same_set(content, truth, str(predictions))
    analysis = Analysis.of(
        truth,
        Detections.from_predictions(content),
        max_dets=metric.get('proposal_nums', MAX_DETS),
        threshold=args.score_thr,
    )
    rows = analysis.image_rows()
    galleries = {'worst': rows[: args.num], 'best': rows[::-1][: args.num]}
    quiet = not console.is_terminal
    for name, chosen in galleries.items():
        shown = track(
            chosen, f'drawing the {name} images', console=console, transient=True, disable=quiet
        )
        paths = draw_gallery(analysis, shown, out_dir, name, partial(heatmap, runner))
        for row, path in zip(chosen, paths, strict=True):
            row[f'picture_{name}'] = str(path.relative_to(out_dir))
    plots = draw_plots(analysis, out_dir)
    sources = dict(
        config=args.config,
        checkpoint=args.checkpoint,
        predictions=str(predictions),
        ground_truth=metric.get('ann_file') or 'the dataset',
    )
    write_tables(analysis, rows, out_dir, sources)
    report(analysis.summary(), out_dir, plots, args.num)


def load_config(args: argparse.Namespace, out_dir: Path) -> Config:
    """The config, fit for a test that keeps its predictions.

    Raises:
        UserInputError: a file does not exist, or the config has no test set.
    """
    for path, what in ((args.checkpoint, 'checkpoint'), (args.predictions, 'predictions')):
        if path is not None:
            cli.require_file(path, what)
    cfg = cli.read_config(args.config, args.cfg_options)
    if not cfg.get('test_dataloader'):
        raise UserInputError(f"'{args.config}' has no test_dataloader, so there is no test set")
    cfg.load_from, cfg.resume = args.checkpoint, False
    cfg.launcher = 'none'
    cfg.work_dir = str(out_dir / 'log')
    cfg.test_cfg = cfg.get('test_cfg') or dict(type='TestLoop')
    return cfg


def prepare_runner(cfg: Config) -> Runner:
    """A runner whose test does nothing but keep the predictions."""
    cfg = cfg.copy()
    if cfg.load_from:
        cli.use_checkpoint(cfg, cfg.load_from)
    kept = str(Path(cfg.work_dir).parent / 'predictions.pkl')
    cfg.test_evaluator = dict(type='mmdet.DumpDetResults', out_file_path=kept)
    return QuietRunner.from_cfg(cfg)


def test(runner: Runner, path: Path) -> Path:
    """Tests; the predictions are in the file then."""
    console.print(f'testing {len(runner.test_dataloader.dataset)} images')
    hook = TestBarHook(console)
    runner.register_hook(hook)
    try:
        runner.test()
    finally:
        hook.bar.stop()
    return path


def load_weights(runner: Runner) -> None:
    """What a runner does before it tests."""
    runner.call_hook('before_run')
    runner.load_or_resume()
    runner.call_hook('before_test')
    runner.model.eval()


def build_dataset(cfg: Config):
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    return DATASETS.build(cfg.test_dataloader.dataset)


def coco_metric(cfg: Config) -> dict:
    """The config's CocoMetric, empty if it evaluates by another."""
    metrics = cfg.get('test_evaluator') or []
    for metric in metrics if isinstance(metrics, list | tuple) else [metrics]:
        kind = metric.get('type')
        if str(getattr(kind, '__name__', kind)).rpartition('.')[2] == 'CocoMetric':
            return metric
    return {}


def ground_truth(dataset, metric: dict) -> GroundTruth:
    """The objects that the config's CocoMetric counts; without one, the dataset's.

    Raises:
        UserInputError: there are none, or the metric's are of other images.
    """
    truth, path = truth_of_dataset(dataset), metric.get('ann_file')
    if path:
        cli.require_file(path, 'ann_file of test_evaluator')
        with get_local_path(path, backend_args=metric.get('backend_args')) as local:
            truth = truth_of_annotations(truth, COCO(local), path)
    if truth.ignored.all():
        raise UserInputError('the test set has no annotated objects to compare detections with')
    return truth


def heatmap(runner: Runner | None, index: int) -> np.ndarray | None:
    """The heat-map of a test image, where there is a network."""
    if runner is None:
        return None
    return centre_heatmap(runner.model, runner.test_dataloader.dataset, index)


def draw_plots(analysis: Analysis, out_dir: Path) -> list[str]:
    """Draws the plots; their names."""
    curves = {f'IoU {iou:.2f}': precision_recall(analysis.coco, iou) for iou in IOUS}
    recalls = next(iter(curves.values()))[0]
    curves = {title: curve for title, (_, curve) in curves.items()}
    names, counts = analysis.truth.classes, object_counts(analysis.coco)[:, 0]
    plot_precision_recall(out_dir / 'precision_recall.png', recalls, curves, names, counts)
    plots = ['precision_recall.png']
    if len(names) > FEW:
        plot_classes(out_dir / 'precision_recall_classes.png', recalls, curves, names)
        plots.append('precision_recall_classes.png')
    scores, matches = analysis.detections.scores, analysis.matches
    plot_scores(
        out_dir / 'scores.png',
        scores[matches.right[0]],
        scores[matches.false[0]],
        analysis.verdicts.threshold,
    )
    return [*plots, 'scores.png']


def write_tables(analysis: Analysis, rows: list[dict], out_dir: Path, sources: dict) -> None:
    """Writes the numbers: all as JSON; of classes and images also as CSV."""
    for name, table in (('classes', analysis.class_rows()), ('images', rows)):
        with (out_dir / f'{name}.csv').open('w', newline='', encoding='utf-8') as file:
            fields = list(dict.fromkeys(key for row in table for key in row))
            writer = csv.DictWriter(file, fields)
            writer.writeheader()
            writer.writerows(table)
    content = {**sources, **analysis.summary(), 'ranked_images': rows}
    (out_dir / 'results.json').write_text(json.dumps(content, indent=2, default=str))


def report(results: dict, out_dir: Path, plots: list[str], num: int) -> None:
    """Prints the numbers, then the files."""
    objects, metrics, at = results['objects'], results['metrics'], results['at_threshold']
    console.rule(
        f'[bold]average precision[/] as COCO counts it: {results["images"]} images, '
        f'{objects["all"]} objects'
        + (f' and {objects["ignored"]} that do not count' if objects['ignored'] else ''),
        align='left',
    )
    heads = [f'{name.replace("_", chr(10))}' for name in metrics]
    console.print(table_of(heads, [map(number, metrics.values())]))
    sizes = ', '.join(f'{objects[size]} {size}' for size in SIZES)
    console.print(f'objects by size: {sizes}')
    heads = [f'AP{iou[2:]}' for iou in results['AP_by_IoU']]
    console.print(table_of(heads, [map(number, results['AP_by_IoU'].values())]))

    console.rule('[bold]classes[/]', align='left')
    console.print(class_table(results['classes']))

    console.rule(
        f'[bold]at IoU 0.5, from score {results["score_threshold"]:.3g} on[/]   '
        f'precision {number(at["precision"])}, recall {number(at["recall"])}',
        align='left',
    )
    for what in ('detections', 'objects'):
        counts = ', '.join(f'{count} {kind}' for kind, count in at[what].items() if count)
        console.print(f'{what}: {counts or "none"}', soft_wrap=True)

    console.rule('[bold]files[/]', align='left')
    files = dict.fromkeys(plots, '')
    if num:
        for name in ('worst', 'best'):
            files[f'{name}.png'] = f'the {name} images, each by itself in {out_dir / name}'
    files |= {'results.json': 'all numbers', 'classes.csv': '', 'images.csv': 'worst first'}
    for name, note in files.items():
        console.print(f'{out_dir / name}' + (f'   {note}' if note else ''), soft_wrap=True)


def class_table(rows: list[dict]) -> Table:
    """What :meth:`Analysis.class_rows` gives, for the terminal."""
    names = ('AP', 'AP50', 'AP75', *(f'AP_{size}' for size in SIZES), 'precision', 'recall')
    heads = ['class', 'objects', *(name.replace('_', '\n') for name in names)]
    cells = [[row['name'], str(row['objects']), *(number(row[n]) for n in names)] for row in rows]
    return table_of(heads, cells, named=True)


def table_of(heads: Iterable[str], rows: Iterable[Iterable[str]], named: bool = False) -> Table:
    """Narrow table of numbers; with ``named`` the first column is text."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for place, head in enumerate(heads):
        text = named and place == 0
        table.add_column(head, justify='left' if text else 'right', no_wrap=True, vertical='bottom')
    for row in rows:
        table.add_row(*row)
    return table


def number(value: float | None) -> str:
    return '-' if value is None else f'{value:.3f}'


if __name__ == '__main__':
    sys.exit(cli.run(main))
