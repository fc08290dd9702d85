"""What the converters of ``tools/dataset_converters`` share: options, summary, a config."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ...errors import UserInputError
from ..inspection.finding import count_of
from .boxes import BoxSet
from .coco_json import build_coco, divide, write_coco
from .tally import Tally
from .text_files import read_names, unique_names

CONFIG = """\
# {title}
_base_ = {base!r}
metainfo = dict(classes={classes!r})  # in the order of the annotation files
model = dict(bbox_head=dict(num_classes={num_classes}))
data = dict(data_root='', data_prefix=dict(img={images!r}), metainfo=metainfo)
train_dataloader = dict(batch_size={batch_size}, dataset=dict(ann_file={train!r}, **data))
val_dataloader = dict(dataset=dict(ann_file={val!r}, **data))
test_dataloader = dict(dataset=dict(ann_file={test!r}, **data))
val_evaluator = dict(ann_file={val!r})
test_evaluator = dict(ann_file={test!r})
"""
Read = Callable[[Tally, Callable[[int], None]], BoxSet]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what all converters take."""
    parser.add_argument('--out', required=True, help='folder of the instances_SPLIT.json')
    parser.add_argument(
        '--classes',
        nargs='+',
        metavar='NAME',
        help='classes to keep, in the order wanted, or one file with a name a line (default: all, '
        "in the source's order, or as they are found)",
    )
    parser.add_argument(
        '--val-fraction',
        type=float,
        metavar='F',
        help='divide into train and val, such as 0.2: by the names of the images, so that a set '
        'may grow and keep its validation images',
    )
    parser.add_argument('--seed', type=int, default=0, help='of the division (default: 0)')
    parser.add_argument(
        '--config',
        metavar='FILE',
        help='also write a config to train with; one that is there stays as it is',
    )
    parser.add_argument(
        '--encoding',
        default='utf-8',
        help='of the text files, such as cp1252 (default: UTF-8, or as a byte order mark says)',
    )


def given_classes(args: argparse.Namespace) -> list[str] | None:
    """The names of ``--classes``, of its file if it names one, None without the option.

    Raises:
        UserInputError: a name is there twice, or the file has none.
    """
    if not args.classes:
        return None
    (first, *others) = args.classes
    if not others and os.path.isfile(first):
        return read_names(first, args.encoding)
    return unique_names(args.classes, '--classes')


def convert(read: Read, args: argparse.Namespace, base: str | os.PathLike) -> None:
    """Read, divide, write, and say what became of it.

    Args:
        read: gives the boxes; is handed a tally, and what to call with the number of images or
            rows that are done.
        args: of :func:`add_arguments`.
        base: config that the one of ``--config`` starts from.

    Raises:
        UserInputError: of the reader; or nothing is left; or the files cannot be written.
    """
    if hasattr(sys.stdout, 'reconfigure'):  # names that the terminal cannot write
        sys.stdout.reconfigure(errors='backslashreplace')
    if args.config and not args.config.endswith('.py'):
        raise UserInputError(f"--config '{args.config}' has to end with .py")
    tally, classes = Tally(), given_classes(args)
    with counting('reading') as advance:
        boxes = read(tally, advance)
    if args.val_fraction is not None:
        boxes = divide(boxes, args.val_fraction, args.seed)
    cocos = build_coco(boxes, tally, classes)
    paths = write_coco(cocos, args.out)
    for line in summary(cocos, paths, tally):
        print(line)
    names = tuple(category['name'] for category in next(iter(cocos.values()))['categories'])
    images = Path(boxes.folder).as_posix() + '/'
    if args.config:
        splits = {split: (path.as_posix(), cocos[split]) for split, path in paths.items()}
        written = write_config(args.config, base, names, images, splits)
        print(f'config: {args.config}' + ('' if written else ' was there and stays as it is'))
        config = args.config
    else:
        print(
            f'for the config (docs/your_own_data.md): metainfo = dict(classes={names!r}), '
            f'num_classes={len(names)}, data_prefix=dict(img={images!r})'
        )
        config = 'CONFIG'
    print(f'next: python tools/analysis_tools/check_dataset.py {config}')


def summary(cocos: dict[str, dict], paths: dict[str, Path], tally: Tally) -> list[str]:
    """Lines about every split, every class, and what was lost."""
    lines, counts = [], {}
    for split, coco in cocos.items():
        found = coco['annotations']
        empty = len(coco['images']) - len({ann['image_id'] for ann in found})
        counts[split] = Counter(ann['category_id'] for ann in found)
        lines.append(
            f'{paths[split]}: {count_of(len(coco["images"]), "image")} ({empty:,} without '
            f'objects), {count_of(len(found), "box", "boxes")}'
        )
    categories = next(iter(cocos.values()))['categories']
    rows = [('class', *cocos)] + [
        (category['name'], *(f'{counts[split][category["id"]]:,}' for split in cocos))
        for category in categories
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [word.rjust(width) for word, width in zip(row[1:], widths[1:], strict=True)]
        lines.append('  ' + '  '.join(cells))
    return lines + tally.lines()


def write_config(
    path: str | os.PathLike,
    base: str | os.PathLike,
    classes: Sequence[str],
    images: str,
    splits: dict[str, tuple[str, dict]],
) -> bool:
    """Write a config to train with, unless the file is there.

    Args:
        path: of the config.
        base: of the config that it starts from.
        classes: names in the order of the files.
        images: folder that file names are relative to.
        splits: file and COCO's dictionary of every split. The one called ``train`` is trained on,
            or else ``trainval``, ``all``, or the first; ``val``, or else ``test``, validates.

    Returns:
        Whether it was written.

    Raises:
        UserInputError: it cannot be written, or a name in it would be replaced on reading.
    """
    path = Path(path)
    if path.exists():
        return False
    first = next(iter(splits))
    train = next((name for name in ('train', 'trainval', 'all') if name in splits), first)
    others = [name for name in ('val', 'test') if name in splits and name != train]
    others = others or [name for name in splits if name != train]
    title = f'Trained on {train!r}, validated on {others[0]!r}.' if others else (
        f'Trained and validated on the same images, {train!r}: divide them by --val-fraction 0.2.'
    )  # fmt: skip
    val = others[0] if others else train
    test = 'test' if 'test' in splits else val
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = CONFIG.format(
            title=title,
            base=os.path.relpath(base, path.parent.resolve()).replace(os.sep, '/'),
            classes=tuple(classes),
            num_classes=len(classes),
            images=images,
            batch_size=max(1, min(16, len(splits[train][1]['images']))),
            train=splits[train][0],
            val=splits[val][0],
            test=splits[test][0],
        )
        if '{{' in text:  # MMEngine would put the values of variables there, whatever they are
            raise ValueError("names of classes and folders must not have '{{'; rename them")
        path.write_text(text, encoding='utf-8')
    except (OSError, ValueError) as error:
        raise UserInputError(f"cannot write the config '{path}': {error}") from error
    return True


@contextmanager
def counting(what: str) -> Iterator[Callable[[int], None]]:
    """A count on stderr while something runs, for a person who watches."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda steps: None
        return
    columns = [SpinnerColumn(), TextColumn('{task.description}'), MofNCompleteColumn()]
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task(what, total=None)
        waiting = 0

        def advance(steps: int) -> None:
            nonlocal waiting
            waiting += steps
            if waiting >= 50:  # a million rows would spend their time in here
                progress.advance(task, waiting)
                waiting = 0

        yield advance
