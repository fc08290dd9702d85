"""Parameters and multiply-adds of models: ``get_flops.py CONFIG [CONFIG ...] [--shape H W]``.

Neither data nor weights are needed: the model is built as its config says, but not initialised,
and run once on an empty image.
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

import torch  # noqa: E402
from mmdet.registry import MODELS  # noqa: E402
from mmengine.analysis import FlopAnalyzer  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.model import revert_sync_batchnorm  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402
from torch import nn  # noqa: E402

from centernet_plugin.errors import UserInputError  # noqa: E402

COUNTED = """Image of {} x {}. Counted by mmengine, a multiply-add as one FLOP: convolutions and
matrix products, 2 per value of a batch norm, 4 per value read or enlarged bilinearly.
Not counted: {}."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('configs', nargs='+', metavar='CONFIG', help='config files')
    parser.add_argument(
        '--shape',
        nargs=2,
        type=int,
        default=(512, 512),
        metavar=('H', 'W'),
        help='size of the image (default: 512 512)',
    )
    cli.add_cfg_options(parser)
    args = parser.parse_args()
    if min(args.shape) < 1:
        raise UserInputError(f'--shape must be positive, got {args.shape[0]} x {args.shape[1]}')
    for path in args.configs:
        cli.require_file(path, 'config')
    width = max(len(Path(path).stem) for path in args.configs)
    uncounted = set()
    for path in args.configs:
        config = cli.read_config(path, args.cfg_options)
        params, flops, rest = measure(config, path, tuple(args.shape))
        print(f'{Path(path).stem:{width}}  {params / 1e6:7.2f} M  {flops / 1e9:8.2f} GFLOPs')
        uncounted |= rest
    print('\n' + COUNTED.format(*args.shape, ', '.join(sorted(uncounted)) or 'nothing else'))


def measure(config: Config, path: str, shape: tuple[int, int]) -> tuple[int, int, set[str]]:
    """What :func:`count` gives for the config's model.

    Raises:
        UserInputError: there is no model, it cannot be built, or not be run with an image alone.
    """
    if 'model' not in config:
        raise UserInputError(f"'{path}' has no model")
    try:
        return count(build(config), shape)
    except Exception as error:
        size = ' x '.join(map(str, shape))
        raise UserInputError(
            f"the network of '{path}' does not run on an image of {size}: {error}"
        ) from error


def build(config: Config) -> nn.Module:
    """The config's model, without the weights that its initialisation would download."""
    init_default_scope(config.get('default_scope', 'mmdet'))
    return revert_sync_batchnorm(MODELS.build(config.model)).eval()


def count(model: nn.Module, shape: tuple[int, int]) -> tuple[int, int, set[str]]:
    """Trainable parameters, multiply-adds on one image of ``shape``, operators not among them."""
    with torch.no_grad():
        analyzer = FlopAnalyzer(model, torch.zeros(1, 3, *shape))
        analyzer.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        flops = analyzer.total()
    params = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return (
        params,
        int(flops),
        {op.rpartition(':')[2].strip('_') for op in analyzer.unsupported_ops()},
    )


if __name__ == '__main__':
    sys.exit(cli.run(main))
