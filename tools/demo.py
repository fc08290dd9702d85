"""The main job: make a small set, train on it, evaluate, draw pictures, print a table.

    python tools/demo.py

Needs no download and no GPU. What is there is reused: the set, and the last checkpoint of an
interrupted run with the same settings.
"""

import argparse
import hashlib
import json
import sys
import time
from importlib.util import find_spec
from pathlib import Path

if find_spec('centernet_plugin') is None:
    # Not installed: this is a checkout, and the package lies beside the folder of this script.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
try:  # before mmdet, for which this supplies what is missing
    from centernet_plugin.engine import cli
except RuntimeError as error:  # an unsupported version of something; the message says which
    sys.exit(f'error: {error}')

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from mmengine.config import Config, DictAction  # noqa: E402
from mmengine.dataset import pseudo_collate  # noqa: E402
from mmengine.runner import Runner  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from centernet_plugin.datasets.synthetic import CROWD_INDEX, EMPTY_EVERY, generate  # noqa: E402
from centernet_plugin.engine.progress import ProgressHook  # noqa: E402
from centernet_plugin.engine.quiet_runner import QuietRunner, hushed  # noqa: E402
from centernet_plugin.errors import UserInputError  # noqa: E402
from centernet_plugin.visualization import contact_sheet, crop_heatmap, side_by_side  # noqa: E402

CONFIG = Path(__file__).resolve().parents[1] / (
    'configs/centernet/centernet_r18_1xb16-demo_synthetic.py'
)
NUM_PICTURES = 8
SETTINGS = 'settings.sha256'

# Bound to the real stdout: what pycocotools prints is kept out of the way, see `hushed`.
console = Console(highlight=False, file=sys.stdout)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--config', default=str(CONFIG), help='config (default: the demo config)')
    parser.add_argument('--work-dir', default='work_dirs/demo', help='folder of all results')
    parser.add_argument('--data-dir', help='folder of the set (default: data in the work dir)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the training')
    parser.add_argument('--epochs', type=int, help='instead of the number in the config')
    parser.add_argument(
        '--resume',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='go on from the last checkpoint in the work dir if it has the same settings',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that replace those of the config',
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    work_dir = Path(args.work_dir)
    cfg = load_config(args)
    seconds = {}

    console.rule(f'[bold]1  data[/]  {cfg.data_root}', align='left')
    start = time.perf_counter()
    generate(
        cfg.data_root,
        num_train=cfg.num_train,
        num_val=cfg.num_val,
        image_size=tuple(cfg.image_size),
    )
    height, width = cfg.image_size
    console.print(
        f'{cfg.num_train} training and {cfg.num_val} validation images of {width} x {height}'
    )
    seconds['data'] = time.perf_counter() - start

    console.rule(f'[bold]2  training[/]  log in {work_dir}', align='left')
    start = time.perf_counter()
    cfg.resume = prepare_work_dir(cfg, args.resume)
    runner = QuietRunner.from_cfg(cfg)
    runner.register_hook(ProgressHook(console))
    with hushed():
        runner.train()
    seconds['training'] = time.perf_counter() - start

    console.rule('[bold]3  evaluation[/]', align='left')
    start = time.perf_counter()
    with hushed():
        metrics = runner.test()
    console.print(f'{cfg.num_val} images that were not trained on')
    seconds['evaluation'] = time.perf_counter() - start

    console.rule('[bold]4  pictures[/]', align='left')
    start = time.perf_counter()
    pictures = draw_pictures(runner, work_dir / 'pictures')
    seconds['pictures'] = time.perf_counter() - start

    report(work_dir, metrics, seconds, pictures, runner)


def load_config(args: argparse.Namespace) -> Config:
    """The demo's config with the command line applied."""
    cli.require_file(args.config, 'config')
    cfg = Config.fromfile(args.config)
    options = dict(args.cfg_options or {})
    for key in ('num_train', 'num_val', 'image_size'):
        if key not in cfg:
            raise UserInputError(f"'{args.config}' is no config for the demo: it lacks {key}")
    if args.epochs is not None:
        if args.epochs < 1:
            raise UserInputError(f'--epochs must be at least 1, got {args.epochs}')
        for scheduler in cfg.param_scheduler:
            for key in ('end', 'total_steps'):
                if scheduler.get(key) == cfg.train_cfg.max_epochs:
                    scheduler[key] = args.epochs
        cfg.train_cfg.max_epochs = args.epochs
    cfg.merge_from_dict(options)
    cfg.work_dir = args.work_dir
    cfg.data_root = str(Path(args.data_dir or Path(args.work_dir) / 'data')) + '/'
    for name in ('train', 'test'):
        cfg[f'{name}_dataloader'].dataset.data_root = cfg.data_root
    cfg.test_evaluator.ann_file = cfg.data_root + cfg.test_dataloader.dataset.ann_file
    # mmengine would evaluate at the end of the training as well.
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    cfg.randomness = dict(seed=args.seed)
    return cfg


def prepare_work_dir(cfg: Config, resume: bool) -> bool:
    """Note the settings in the work dir; True if a run with the same ones can go on."""
    work_dir = Path(cfg.work_dir)
    work_dir.mkdir(parents=True, exist_ok=True)
    content = {k: v for k, v in cfg.to_dict().items() if k not in ('resume', 'work_dir')}
    digest = hashlib.sha256(json.dumps(content, default=str, sort_keys=True).encode()).hexdigest()
    file, last = work_dir / SETTINGS, work_dir / 'last_checkpoint'
    same = file.is_file() and file.read_text().strip() == digest
    if last.is_file():
        if resume and same and Path(last.read_text().strip()).is_file():
            console.print('going on from the last checkpoint (--no-resume starts anew)')
            return True
        why = 'it was made with other settings' if resume and not same else 'as told'
        console.print(f'the checkpoint in the work dir is not used: {why}')
        last.unlink()
    file.write_text(digest + '\n')
    return False


@torch.no_grad()
def draw_pictures(runner: Runner, out_dir: Path) -> list[Path]:
    """Draw truth, detections and heat-map of some test images, and all of them on one sheet."""
    out_dir.mkdir(parents=True, exist_ok=True)
    dataset, model = runner.test_dataloader.dataset, runner.model.eval()
    names = dataset.metainfo['classes']
    cards, paths = [], []
    for index in pick_images(len(dataset)):
        data = model.data_preprocessor(pseudo_collate([dataset[index]]), False)
        maps = model.bbox_head(model.extract_feat(data['inputs']))
        metas = [sample.metainfo for sample in data['data_samples']]
        found = model.bbox_head.predict_by_feat(maps, metas, rescale=True)[0].cpu().numpy()
        info = dataset.get_data_info(index)
        truth = dict(
            boxes=np.array([i['bbox'] for i in info['instances']]).reshape(-1, 4),
            labels=[i['bbox_label'] for i in info['instances']],
            notes=['crowd' if i['ignore_flag'] else '' for i in info['instances']],
        )
        heat = maps[-1]['heatmap'].sigmoid()[0].float().cpu().numpy()
        file = Path(info['img_path'])
        card = side_by_side(
            cv2.imread(str(file)),
            truth,
            dict(boxes=found.bboxes, labels=found.labels, scores=found.scores),
            crop_heatmap(heat, metas[0], model.bbox_head.stride),
            names,
            title=f'{file.parent.name}/{file.name}',
        )
        cards.append(card)
        paths.append(out_dir / f'{file.stem}.png')
        save(paths[-1], card)
    paths.insert(0, out_dir / 'all.png')
    save(paths[0], contact_sheet(cards, columns=2))
    console.print(f'{len(paths)} files in {out_dir}')
    return paths


def pick_images(count: int) -> list[int]:
    """Numbers of some images, spread evenly, the crowd and an empty one among them."""
    special = [i for i in (CROWD_INDEX, EMPTY_EVERY // 2) if i < count]
    others = [i for i in range(count) if i not in special]
    spread = np.linspace(0, len(others) - 1, min(NUM_PICTURES - len(special), len(others)))
    return [others[int(i)] for i in spread] + special


def save(path: Path, image: np.ndarray) -> None:
    if not cv2.imwrite(str(path), image):
        raise UserInputError(f"cannot write the picture '{path}'; is the disk full?")


def report(
    work_dir: Path, metrics: dict, seconds: dict, pictures: list[Path], runner: Runner
) -> None:
    """Print the closing tables and write results.json."""
    bbox = {k.removeprefix('coco/bbox_mAP'): v for k, v in metrics.items() if 'bbox_mAP' in k}
    found = {
        'AP': bbox.get(''),
        **{f'AP{k}': bbox.get(f'_{k}') for k in ('50', '75')},
        **{f'AP {name}': bbox.get(f'_{name[0]}') for name in ('small', 'medium', 'large')},
    }
    # COCO writes -1 where there is no object of a size.
    found = {k: None if v is None or v < 0 else float(v) for k, v in found.items()}
    classes = {
        name: float(metrics.get(f'coco/{name}_precision', np.nan))
        for name in runner.test_dataloader.dataset.metainfo['classes']
    }
    total = sum(seconds.values())
    times = {
        name: f'{int(s) // 60} min {int(s) % 60} s'
        for name, s in {**seconds, 'total': total}.items()
    }
    console.rule(f'[bold]average precision[/] on {runner.cfg.num_val} images', align='left')
    console.print(
        row({k: '-' if v is None else f'{v:.3f}' for k, v in found.items()}),
        row({f'AP {name}': f'{v:.3f}' for name, v in classes.items()}),
        row(times),
    )
    results = dict(
        metrics=found,
        classes=classes,
        seconds={k: round(v, 1) for k, v in seconds.items()},
        epochs=runner.max_epochs,
        seed=runner.cfg.randomness.seed,
        pictures=[str(p) for p in pictures],
    )
    (work_dir / 'results.json').write_text(json.dumps(results, indent=2))
    console.print('pictures, all on one sheet first:')
    for path in pictures:
        console.print(f'  {path}', soft_wrap=True)
    console.print(f'numbers: {work_dir / "results.json"}', soft_wrap=True)


def row(values: dict[str, str]) -> Table:
    """Table of one row."""
    table = Table()
    for name in values:
        table.add_column(name, justify='right', no_wrap=True)
    table.add_row(*values.values())
    return table


if __name__ == '__main__':
    sys.exit(cli.run(main))
