"""Our components against MMDetection's CenterNet: ``benchmark.py [--only REGEX] [--device cuda]``.

Both sides run in turns in one process, on inputs for which they define the same results; that they
compute the same is checked before any ratio is printed. One table, and all numbers as JSON.
"""

import argparse
import json
import re
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

import torch  # noqa: E402
from rich.console import Console  # noqa: E402

from centernet_plugin.benchmark.case import Case  # noqa: E402
from centernet_plugin.benchmark.cases import all_cases  # noqa: E402
from centernet_plugin.benchmark.machine import describe, in_words  # noqa: E402
from centernet_plugin.benchmark.pictures import Pictures  # noqa: E402
from centernet_plugin.benchmark.render import render  # noqa: E402
from centernet_plugin.benchmark.runner import failed, run_all  # noqa: E402
from centernet_plugin.benchmark.settings import Settings  # noqa: E402
from centernet_plugin.benchmark.table import terminal_table  # noqa: E402
from centernet_plugin.errors import UserInputError  # noqa: E402

DIFFERENT = 1  # exit code
QUICK = dict(images=2, size=256, repeat=3, seconds=5.0, train_images=1, pictures=4)
PATHS = ('data_root', 'ann_file', 'image_folder')
UNSAID = ('json', 'render', 'list')  # not part of what was measured


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--only', metavar='REGEX', help='cases whose title this is found in')
    parser.add_argument('--list', action='store_true', help='print the titles and stop')
    parser.add_argument('--quick', action='store_true', help='small and few, to see that it works')
    parser.add_argument('--device', default='cpu', help='cpu or cuda (default: cpu)')
    parser.add_argument('--threads', type=int, help="default: torch's")
    parser.add_argument('--images', type=int, help='in a batch (default: 16)')
    parser.add_argument('--objects', type=int, help='in the batch (default: 114 in 16 images)')
    parser.add_argument('--classes', type=int, help='default: 80')
    parser.add_argument('--size', type=int, help='side of the input, in pixels (default: 512)')
    parser.add_argument('--train-images', type=int, help='in a training step (default: 16)')
    parser.add_argument('--repeat', type=int, help='rounds, of which medians count (default: 10)')
    parser.add_argument(
        '--seconds', type=float, help='after which a case begins no further round (default: 60)'
    )
    parser.add_argument('--data-root', help='a COCO-format set (default: generated images)')
    parser.add_argument('--ann-file', help='its annotations, below the data root')
    parser.add_argument('--image-folder', help='its images, below the data root')
    parser.add_argument('--pictures', type=int, help='image files to load (default: 32)')
    parser.add_argument('--json', metavar='FILE', help='write all numbers there')
    parser.add_argument(
        '--render',
        metavar='FOLDER',
        help='measure nothing; write README.md and plots of the JSON files in this folder',
    )
    return parser


def main() -> None:
    parser = build_parser()
    args = parser.parse_args()
    if args.render:
        for path in render(args.render):
            print(path)
        return
    settings = make_settings(args)
    cases = choose(all_cases(settings), args.only)
    if args.list:
        print(*(case.title for case in cases), sep='\n')
        return
    result = dict(
        machine=describe(settings.device), command=command(parser, args), settings=said(settings)
    )

    def tell(i: int, case: Case) -> None:
        print(f'{i + 1}/{len(cases)} {case.title}', file=sys.stderr, flush=True)

    def keep(rows: list[dict]) -> None:
        if args.json:
            text = json.dumps(result | dict(rows=rows), indent=1, allow_nan=False)
            Path(args.json).write_text(text + '\n')

    keep([])  # a file that cannot be written should not show after an hour
    rows = run_all(cases, settings, before=tell, after=keep)
    console = Console(highlight=False, file=sys.stdout, width=None if sys.stdout.isatty() else 150)
    console.print(terminal_table(rows))
    print(in_words(result['machine']))
    for title in failed(rows):
        print(f'error: {title}: no ratio, see the table', file=sys.stderr)
    if failed(rows):
        sys.exit(DIFFERENT)


def make_settings(args: argparse.Namespace) -> Settings:
    """What the arguments say, in place of the defaults.

    Raises:
        UserInputError: something that cannot be measured with.
    """
    for name in ('threads', 'images', 'objects', 'classes', 'size', 'train_images', 'repeat'):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise UserInputError(f'--{name.replace("_", "-")} must be positive, got {value}')
    device = torch.device(args.device)
    if device.type == 'cuda' and not torch.cuda.is_available():
        raise UserInputError('torch sees no CUDA device')
    if (args.size or 32) % 32:
        raise UserInputError(f'--size must be a multiple of 32, got {args.size}')
    if args.threads:
        torch.set_num_threads(args.threads)
    given = {
        name: value
        for name in ('images', 'objects', 'classes', 'size', 'train_images', 'repeat', 'seconds')
        if (value := getattr(args, name)) is not None
    }
    defaults = dict(QUICK) if args.quick else {}
    count = args.pictures or defaults.pop('pictures', 32)
    defaults.pop('pictures', None)
    places = {name: getattr(args, name) for name in PATHS if getattr(args, name)}
    pictures = Pictures(**places, count=count)
    return Settings(device=device, pictures=pictures, **defaults | given)


def choose(cases: list[Case], pattern: str | None) -> list[Case]:
    """The cases whose title matches.

    Raises:
        UserInputError: none does, or the pattern is none.
    """
    try:
        chosen = [case for case in cases if re.search(pattern or '', case.title)]
    except re.error as error:
        raise UserInputError(f"--only '{pattern}' is not a regular expression: {error}") from error
    if not chosen:
        raise UserInputError(f"no case has '{pattern}' in its title; --list shows all")
    return chosen


def command(parser: argparse.ArgumentParser, args: argparse.Namespace) -> str:
    """What was typed, without what belongs to this machine."""
    words = ['python tools/analysis_tools/benchmark.py']
    for name, value in vars(args).items():
        if value == parser.get_default(name) or name in UNSAID:
            continue
        words.append('--' + name.replace('_', '-'))
        if name in PATHS:
            words.append(name.upper())
        elif name == 'only':
            words.append(f"'{value}'")
        elif value is not True:
            words.append(f'{value:g}' if isinstance(value, float) else str(value))
    return ' '.join(words)


def said(settings: Settings) -> dict:
    """The settings as JSON can hold them."""
    names = ('images', 'classes', 'size', 'train_images', 'repeat', 'seconds')
    return {name: getattr(settings, name) for name in names} | dict(
        device=settings.device.type,
        objects=settings.objects_in(settings.images),
        pictures='generated' if settings.pictures.generated else 'given',
    )


if __name__ == '__main__':
    sys.exit(cli.run(main))
