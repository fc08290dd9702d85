"""Milliseconds per image of exported files and of PyTorch: ``CONFIG CHECKPOINT FILE.onnx ...``.

From pixels in memory to detections, one image at a time. Sides take turns, so that what else the
machine does slows all of them; the least time of each is printed.
"""

import argparse
import sys
import time
from collections.abc import Callable
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
from mmdet.structures import DetDataSample  # noqa: E402

from centernet_plugin.deploy import accelerate  # noqa: E402
from centernet_plugin.deploy.loading import load_detector  # noqa: E402
from centernet_plugin.deploy.onnx_packages import require_packages  # noqa: E402
from centernet_plugin.deploy.onnx_session import open_session  # noqa: E402
from centernet_plugin.errors import UserInputError  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', metavar='CONFIG')
    parser.add_argument('checkpoint', metavar='CHECKPOINT')
    parser.add_argument('files', nargs='+', metavar='FILE.onnx', help='exported from these')
    parser.add_argument(
        '--size',
        nargs=2,
        type=cli.positive,
        default=(512, 512),
        metavar=('HEIGHT', 'WIDTH'),
        help='of the input (default: 512 512)',
    )
    parser.add_argument(
        '--rounds', type=cli.positive, default=15, help='of which the least counts (default: 15)'
    )
    parser.add_argument(
        '--threads',
        type=cli.positive,
        default=torch.get_num_threads(),
        help="of each side (default: torch's)",
    )
    args = parser.parse_args()
    require_packages()
    for path in (args.checkpoint, *args.files):
        cli.require_file(path, 'file')
    torch.set_num_threads(args.threads)
    config = cli.read_config(args.config)
    image = torch.randint(256, (1, 3, *args.size), generator=torch.Generator().manual_seed(0))
    sides = {
        'PyTorch': pytorch(load_detector(config, args.checkpoint)[0], image),
        'PyTorch, accelerate': pytorch(
            accelerate(load_detector(config, args.checkpoint)[0]), image
        ),
    }
    sides |= {path: onnxruntime(path, image, args.threads) for path in args.files}
    print(f'{args.size[0]} x {args.size[1]}, threads: {args.threads}')
    for name, seconds in least(sides, args.rounds).items():
        print(f'{seconds * 1e3:9.1f} ms  {name}')


def pytorch(model: torch.nn.Module, image: torch.Tensor) -> Callable[[], object]:
    """Preprocessing and prediction by mmdet's own ``test_step``, without the image's file."""
    size = tuple(image.shape[2:])
    meta = dict(img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0), img_id=0)

    @torch.no_grad()
    def call():
        sample = DetDataSample(metainfo=meta)
        return model.test_step(dict(inputs=[image[0]], data_samples=[sample]))

    return call


def onnxruntime(path: str, image: torch.Tensor, threads: int) -> Callable[[], object]:
    session = open_session(path, threads)
    wanted = session.get_inputs()[0].shape
    about = session.get_modelmeta().custom_metadata_map
    divisor = int(about.get('size_divisor', 1))
    if any(side % divisor for side in image.shape[2:]):  # PyTorch would pad, and compute more
        raise UserInputError(f'height and width of --size have to be multiples of {divisor}')
    if any(isinstance(w, int) and w != n for w, n in zip(wanted, image.shape, strict=True)):
        raise UserInputError(f"'{path}' is for inputs of {wanted} only, not {list(image.shape)}")
    feed = {'images': image.float().numpy()}
    if len(session.get_inputs()) > 1:
        feed['cam2img'] = torch.eye(3, 4)[None].numpy()
    return lambda: session.run(None, feed)


def least(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Least seconds of each side, after one call that does not count."""
    times = {name: [] for name in sides}
    for _ in range(rounds + 1):
        for name, call in sides.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: min(values[1:]) for name, values in times.items()}


if __name__ == '__main__':
    sys.exit(cli.run(main))
