"""Whether an ONNX file gives what the detector in PyTorch gives.

Detections of two programs cannot be compared one by one: where two scores are nearly equal,
rounding decides their order, and which of two neighbouring cells is a peak. So the network is
compared by its maps, and the decoding by what both programs make of the same maps, the file's.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import UserInputError
from .onnx_graph import RAW, DetectorGraph

TOLERANCES = {torch.float32: 1e-3, torch.float16: 5e-2}  # of the largest value of a map
DECODING_TOLERANCE = 1e-3  # of the largest value of a field, at least of 1


@dataclass
class Difference:
    """The largest differences on one batch.

    Attributes:
        shape: of the images. (B, H, W)
        maps: of each map, and the largest value in it.
        fields: of each field of the detections, decoded from the same maps, and the largest value
            in it.
        compared: how many detections that was possible for, see :func:`comparable`.
        scores: between the k-th best scores of both programs, from end to end; None without
            detections.
    """

    shape: tuple[int, int, int]
    maps: dict[str, tuple[float, float]] = field(default_factory=dict)
    fields: dict[str, tuple[float, float]] = field(default_factory=dict)
    compared: int = 0
    scores: float | None = None

    def lines(self) -> list[str]:
        """As text."""
        batch, height, width = self.shape
        lines = [f'{batch} x {height} x {width}: maps {_text(self.maps)}']
        if self.fields:
            lines.append(f'    {self.compared} detections: {_text(self.fields)}')
            lines.append(f'    scores from end to end {self.scores:.1e}')
        return lines

    def beyond(self, tolerance: float | None) -> list[str]:
        """Names of maps and fields that differ too much; maps only if there is a tolerance."""
        wrong = []
        if tolerance is not None:
            wrong += [n for n, (d, size) in self.maps.items() if not d <= tolerance * size]
        limit = DECODING_TOLERANCE
        return wrong + [n for n, (d, size) in self.fields.items() if not d <= limit * max(size, 1)]


def check_onnx(
    path: str | Path,
    graph: DetectorGraph,
    shapes: list[tuple[int, int, int]],
    tolerance: float | None,
) -> list[Difference]:
    """Compares a file that gives maps, and perhaps detections, with the detector.

    Args:
        path: of the file.
        graph: what the file was made from, its network in float32.
        shapes: batch, height and width of each comparison.
        tolerance: allowed between maps, as a part of the largest value; None: any.

    Returns:
        One entry per shape.

    Raises:
        UserInputError: more than that.
    """
    session = open_session(path)
    found = []
    for seed, (batch, *size) in enumerate(shapes):
        inputs = graph.example(batch, tuple(size), seed)
        found.append(compare(session, graph, inputs))
        wrong = found[-1].beyond(tolerance)
        if wrong:
            raise UserInputError(
                f"the file's {', '.join(wrong)} differ from PyTorch's by more than is allowed:\n"
                + '\n'.join(found[-1].lines())
            )
    return found


@torch.no_grad()
def compare(session, graph: DetectorGraph, inputs: tuple[Tensor, ...]) -> Difference:
    """Differences between ONNX Runtime and PyTorch on a batch."""
    feed = {i.name: x.numpy() for i, x in zip(session.get_inputs(), inputs, strict=True)}
    names = [output.name for output in session.get_outputs()]
    theirs = dict(zip(names, map(torch.from_numpy, session.run(names, feed)), strict=True))
    ours = graph(*inputs)
    result = Difference((len(inputs[0]), *inputs[0].shape[2:]))
    prefix = RAW if graph.detections else ''
    maps = {
        name: theirs[name] for name in names if name.startswith(prefix) and theirs[name].dim() == 4
    }
    for name, value in maps.items():
        result.maps[name.removeprefix(RAW)] = _difference(value, ours[name])
    if graph.detections:
        result.scores = _difference(theirs['scores'], ours['scores'])[0]
        maps = {name.removeprefix(RAW): value for name, value in maps.items()}
        decoded = graph.decode(maps, *inputs[1:])
        rows = comparable(theirs['scores']) & comparable(decoded['scores'])
        result.compared = int(rows.sum())
        for name, value in decoded.items():
            result.fields[name] = _difference(theirs[name][rows], value[rows])
    return result


def comparable(scores: Tensor) -> Tensor:
    """Detections whose place says which they are: scores that are not 0, and no other's. (B, K)

    Those of equal score are in any order, and of those with the last score others may have been
    left out. A score of 0 is where there are no more peaks.
    """
    after = torch.nn.functional.pad(scores[:, 1:] != scores[:, :-1], (1, 1), value=True)
    unique = after[:, 1:] & after[:, :-1]
    return unique & (scores > 0) & (scores != scores[:, -1:])


def open_session(path: str | Path, threads: int | None = None):
    """ONNX Runtime on the CPU, quiet.

    Raises:
        UserInputError: it has no deformable convolution.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or torch.get_num_threads()
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    except Exception as error:
        if 'implementation for DeformConv' not in str(error):
            raise
        raise UserInputError(
            f'onnxruntime {onnxruntime.__version__} has no deformable convolution on CPUs; update '
            'it to 1.25 or later, or export with --grid-sample'
        ) from error


def _difference(a: Tensor, b: Tensor) -> tuple[float, float]:
    """The largest difference, NaN where only one is NaN or infinite, and the largest value."""
    if a.shape != b.shape:
        return np.inf, 0.0
    if a.numel() == 0:
        return 0.0, 0.0
    a, b = a.double(), b.double()
    difference = torch.where(a == b, 0, a - b).abs().max().item()
    return difference, b.abs().max().item()


def _text(differences: dict[str, tuple[float, float]]) -> str:
    return ', '.join(f'{name} {d:.1e} (of {size:.3g})' for name, (d, size) in differences.items())
