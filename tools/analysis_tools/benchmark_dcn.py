"""Times the deformable convolution against mmcv's compiled operator, where there is one.

    python tools/analysis_tools/benchmark_dcn.py

Sizes are those of the deformable up-convolution on a 512 x 512 image, and 64 x 128 x 128.
"""

import argparse
import sys
import time
from importlib.util import find_spec
from pathlib import Path

if find_spec('centernet_plugin') is None:
    # Not installed: this is a checkout, and the package lies two folders above this script's.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch  # noqa: E402

from centernet_plugin.models.layers.deform_conv import modulated_deform_conv2d  # noqa: E402

SIZES = ((512, 16, 256), (256, 32, 128), (128, 64, 64), (64, 128, 64))  # channels, side, out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--repeat', type=int, default=5, help='the median counts (default: 5)')
    args = parser.parse_args()
    candidates = {'ours': modulated_deform_conv2d}
    try:
        from mmcv.ops import modulated_deform_conv2d as compiled

        compiled(*draw(1, 3, 1, 'cpu'), 1, 1, 1, 1, 1)
        candidates['mmcv'] = compiled
    except (ImportError, RuntimeError) as error:
        print(f'mmcv cannot be compared with: {error}', file=sys.stderr)
    print(f'milliseconds, forward / forward + backward; {torch.get_num_threads()} threads')
    for size in SIZES:
        row = [f'{size[0]:3d} x {size[1]} x {size[1]} -> {size[2]}']
        for name, convolve in candidates.items():
            times = [measure(convolve, size, back, args) for back in (False, True)]
            row.append(f'{name} {times[0]:.0f} / {times[1]:.0f}')
        print('   '.join(row))


def draw(channels: int, side: int, out_channels: int, device: str) -> list[torch.Tensor]:
    """Input, offset, mask, weight and bias of one image, with gradients."""
    torch.manual_seed(0)
    shapes = ((1, channels), (1, 18), (1, 9))
    tensors = [torch.randn(*shape, side, side, device=device) for shape in shapes]
    tensors[2] = tensors[2].sigmoid()
    tensors += [
        torch.randn(out_channels, channels, 3, 3, device=device) / channels,
        torch.randn(out_channels, device=device),
    ]
    return [tensor.requires_grad_() for tensor in tensors]


def measure(convolve, size: tuple[int, int, int], back: bool, args: argparse.Namespace) -> float:
    """Median milliseconds."""
    tensors, times = draw(*size, args.device), []
    for _ in range(args.repeat + 1):  # the first is a warm-up
        start = time.perf_counter()
        out = convolve(*tensors, 1, 1, 1, 1, 1)
        if back:
            out.sum().backward()
        if out.is_cuda:
            torch.cuda.synchronize()
        times.append(1000 * (time.perf_counter() - start))
    return sorted(times[1:])[args.repeat // 2]


if __name__ == '__main__':
    main()
