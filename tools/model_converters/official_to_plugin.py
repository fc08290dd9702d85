"""Published weights as a checkpoint of this package.

    python tools/model_converters/official_to_plugin.py ctdet_coco_dla_2x.pth dla34.pth

SRC is one of

- a model of the original CenterNet: ResNet (plain or deformable), DLA-34, DLA-34 without
  deformable convolution, Hourglass-104; detection, pose (multi_pose) or 3D (ddd);
- ExtremeNet's weights, from which Hourglass-104 starts;
- MMDetection's own CenterNet, ResNet (plain or deformable);
- ImageNet weights of a DLA, the original's or timm's.

Which of them is told from its tensors. The config that the result belongs to is printed.
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

from centernet_plugin.checkpoints import convert_file, summary  # noqa: E402


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', metavar='SRC', help='file of published weights')
    parser.add_argument('destination', metavar='DST', help='checkpoint to write')
    return parser.parse_args(args)


def main(args: list[str] | None = None) -> None:
    args = parse_args(args)
    configs = Path(__file__).resolve().parents[2] / 'configs'  # beside tools/, also where installed
    print(summary(convert_file(args.source, args.destination, configs=configs)))


if __name__ == '__main__':
    sys.exit(cli.run(main))
