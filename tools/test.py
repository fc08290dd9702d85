"""Tests a checkpoint: ``python tools/test.py CONFIG CHECKPOINT``."""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

if find_spec('centernet_plugin') is None:
    # Not installed: this is a checkout, and the package lies beside the folder of this script.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
try:  # before mmdet, for which this supplies what is missing
    from centernet_plugin.engine import cli
except RuntimeError as error:  # an unsupported version of something; the message says which
    sys.exit(f'error: {error}')

from mmdet.engine.hooks.utils import trigger_visualization_hook  # noqa: E402

from centernet_plugin.engine.test_modes import TEST_MODES, use_mode, use_tta  # noqa: E402
from centernet_plugin.errors import UserInputError  # noqa: E402


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Test a checkpoint, or draw what it detects.')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    cli.add_out(parser)
    parser.add_argument('--show', action='store_true', help='show detections in a window')
    parser.add_argument(
        '--show-dir', help='folder, inside the work dir, for pictures of the detections'
    )
    parser.add_argument(
        '--wait-time', type=float, default=2, help='seconds that a shown image stays (default: 2)'
    )
    augment = parser.add_mutually_exclusive_group()
    augment.add_argument(
        '--tta', action='store_true', help="test-time augmentation: the config's tta_* settings"
    )
    augment.add_argument(
        '--test-mode',
        choices=TEST_MODES,
        default='plain',
        help="a part of them: mirrored as well, at the tta_pipeline's scales, or both",
    )
    parser.add_argument(
        '--fast',
        action='store_true',
        help='the same detections up to rounding, sooner: batch norms folded, channels last in '
        "memory; or what the config's AccelerateHook says",
    )
    cli.add_common_arguments(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cli.require_out(args.out)
    cfg = cli.load_config(args)
    cli.use_checkpoint(cfg, args.checkpoint)
    if args.show or args.show_dir:
        if 'visualization' not in cfg.get('default_hooks', {}):
            raise UserInputError(
                "--show and --show-dir need visualization=dict(type='mmdet.DetVisualizationHook') "
                'among the default_hooks of the config'
            )
        cfg = trigger_visualization_hook(cfg, args)
    if args.tta:
        use_tta(cfg)
    else:
        use_mode(cfg, args.test_mode)
    if args.fast:
        cli.add_hook(cfg, cli.FAST)
    runner = cli.build_runner(cfg)
    cli.test(runner, args.out)


if __name__ == '__main__':
    sys.exit(cli.run(main))
