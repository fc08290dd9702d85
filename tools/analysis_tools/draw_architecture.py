"""Draws what feeds what in a network, by stride, with channels: from its modules, not by hand.

python tools/analysis_tools/draw_architecture.py CONFIG --out network.svg
"""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

if find_spec('centernet_plugin') is None:
    # Not installed: this is a checkout, and the package lies two folders above this script's.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
try:
    from centernet_plugin.engine import cli
except RuntimeError as error:  # an unsupported version of something; the message says which
    sys.exit(f'error: {error}')

from mmengine.registry import init_default_scope  # noqa: E402

from centernet_plugin.errors import UserInputError  # noqa: E402
from centernet_plugin.visualization.architecture import draw_graph, network_graph  # noqa: E402

FORMATS = ('.svg', '.png', '.pdf')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file of a single-stage detector')
    parser.add_argument('--out', required=True, type=Path, help='picture: .svg, .png or .pdf')
    parser.add_argument(
        '--shape',
        nargs=2,
        type=int,
        default=(512, 512),
        metavar=('HEIGHT', 'WIDTH'),
        help='of the input (default: 512 512)',
    )
    parser.add_argument(
        '--detail',
        type=int,
        default=0,
        help='levels of modules to open inside every box (default: 0)',
    )
    cli.add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    if args.out.suffix.lower() not in FORMATS:
        raise UserInputError(f"--out '{args.out}' must end in one of {', '.join(FORMATS)}")
    if min(args.shape) < 1 or args.detail < 0:
        raise UserInputError('--shape takes positive numbers, --detail none below 0')
    cfg = cli.read_config(args.config, args.cfg_options)
    if 'model' not in cfg:
        raise UserInputError(f"'{args.config}' has no model")
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    graph, model = network_graph(cfg.model, tuple(args.shape), args.detail)
    parts = [
        type(part).__name__ for part in model.children() if any(True for _ in part.parameters())
    ]
    count = sum(parameter.numel() for parameter in model.parameters())
    args.out.parent.mkdir(parents=True, exist_ok=True)
    draw_graph(
        graph,
        args.out,
        size=tuple(args.shape),
        title=Path(args.config).stem,
        note=f'{", ".join(parts)}; {count / 1e6:.1f} M parameters',
    )
    print(f'{args.out}: {len(graph.nodes)} nodes, {len(graph.edges)} connections')


if __name__ == '__main__':
    sys.exit(cli.run(main))
