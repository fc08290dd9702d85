"""Trains a model: ``python tools/train.py CONFIG``."""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

if find_spec('centernet_plugin') is None:
    # Not installed: this is a checkout, and the package lies beside the folder of this script.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
try:
    from centernet_plugin.engine import cli
except RuntimeError as error:  # an unsupported version of something; the message says which
    sys.exit(f'error: {error}')

from centernet_plugin.engine.autocast_optim_wrapper import use_mixed_precision  # noqa: E402
from centernet_plugin.errors import UserInputError  # noqa: E402


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Train a model.')
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--amp',
        action='store_true',
        help='train in mixed precision: float16 on a GPU, bfloat16 on a CPU',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help="scale the learning rate from the config's base batch size to the real one",
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from this checkpoint; without a name, from the latest one in the work dir',
    )
    cli.add_common_arguments(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = cli.load_config(args)
    if args.amp:
        use_mixed_precision(cfg)
    if args.auto_scale_lr:
        if not cfg.get('auto_scale_lr', {}).get('base_batch_size'):
            raise UserInputError(
                '--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=...) in the config'
            )
        cfg.auto_scale_lr.enable = True
    if args.resume:
        cfg.resume = True
        cli.add_hook(cfg, cli.CHECK)
        if args.resume == 'auto':
            cfg.load_from = None
        else:
            cli.require_file(args.resume, 'checkpoint')
            cfg.load_from = args.resume
    cli.build_runner(cfg).train()


if __name__ == '__main__':
    sys.exit(cli.run(main, after_interrupt='--resume goes on from the latest checkpoint.'))
