"""AP of an exported file: ``test_onnx.py CONFIG FILE.onnx``, as ``tools/test.py`` of a checkpoint.

What float16 or int8 cost is seen only here. Runs on the CPU, by ONNX Runtime.
"""

import argparse
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

from centernet_plugin.deploy.onnx_detector import OnnxDetector  # noqa: E402
from centernet_plugin.errors import UserInputError  # noqa: E402


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', metavar='CONFIG', help='config file')
    parser.add_argument('file', metavar='FILE.onnx', help='made by export_onnx.py')
    cli.add_out(parser)
    cli.add_common_arguments(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cli.require_out(args.out)
    cli.require_file(args.file, 'file')
    cfg = cli.load_config(args)
    cfg.model = dict(type='centernet_plugin.OnnxDetector', file=args.file)
    cfg.load_from = None
    runner = cli.build_runner(cfg)
    require_classes(runner.model, runner.test_dataloader.dataset.metainfo.get('classes'))
    cli.test(runner, args.out)


def require_classes(model: OnnxDetector, classes: tuple[str, ...] | None) -> None:
    """Fails if the file has other classes than the test set."""
    own = model.about['classes']
    if classes is not None and list(classes) != own:
        raise UserInputError(
            f"the file's classes are {own[:5]}, {len(own)} of them, those of the test set "
            f'{list(classes)[:5]}, {len(classes)} of them; make them agree'
        )


if __name__ == '__main__':
    sys.exit(cli.run(main))
