"""Whether an exported program gives what the detector in PyTorch gives.

Detections of two programs cannot be compared one by one: where two scores are nearly equal,
rounding decides their order, and which of two neighbouring cells is a peak. So the network is
compared by its maps, and the decoding by what both programs make of the same maps, the file's.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ..errors import UserInputError
from .detector_graph import RAW, DetectorGraph

# A program: inputs of the graph to its outputs by their names.
Run = Callable[[tuple[Tensor, ...]], dict[str, Tensor]]
# Of the largest value of a map.
TOLERANCES = {torch.float32: 1e-3, torch.float16: 5e-2, torch.bfloat16: 2e-1}
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
            what = _text(self.fields) if self.compared else 'no score is of one detection alone'
            lines.append(f'    {self.compared} detections compared: {what}')
            lines.append(f'    scores from end to end {self.scores:.1e}')
        return lines

    def beyond(self, tolerance: float | None) -> list[str]:
        """Names of maps and fields that differ too much; maps only if there is a tolerance."""
        wrong = []
        if tolerance is not None:
            wrong += [n for n, (d, size) in self.maps.items() if not d <= tolerance * size]
        limit = DECODING_TOLERANCE
        return wrong + [n for n, (d, size) in self.fields.items() if not d <= limit * max(size, 1)]


def check_program(
    run: Run,
    graph: DetectorGraph,
    shapes: list[tuple[int, int, int]],
    tolerance: float | None,
) -> list[Difference]:
    """Compares a program that gives maps, and perhaps detections, with the detector.

    Args:
        run: the program.
        graph: what it was made from, its network in float32.
        shapes: batch, height and width of each comparison.
        tolerance: allowed between maps, as a part of the largest value; None: any.

    Returns:
        One entry per shape.

    Raises:
        UserInputError: more than that.
    """
    found = []
    for seed, (batch, *size) in enumerate(shapes):
        inputs = graph.example(batch, tuple(size), seed)
        found.append(compare(run, graph, inputs))
        wrong = found[-1].beyond(tolerance)
        if wrong:
            raise UserInputError(
                f"the file's {', '.join(wrong)} differ from PyTorch's by more than is allowed:\n"
                + '\n'.join(found[-1].lines())
            )
    return found


def shapes_to_check(
    graph: DetectorGraph, shape: tuple[int, int, int] | None
) -> list[tuple[int, int, int]]:
    """Batches and sizes to compare, none of them that of the export: as small as makes sense.

    Args:
        graph: of the detector.
        shape: batch, height and width, if the program is for only one.
    """
    if shape is not None:
        return [shape]
    side = graph.size_divisor
    few = max(256 // side, 1)
    return [(1, side * few, side * few), (3, side * (few // 2 + 1), side * (few + 1))]


@torch.no_grad()
def compare(run: Run, graph: DetectorGraph, inputs: tuple[Tensor, ...]) -> Difference:
    """Differences between a program and the detector on a batch."""
    theirs = run(inputs)
    ours = graph(*inputs)
    result = Difference((len(inputs[0]), *inputs[0].shape[2:]))
    prefix = RAW if graph.detections else ''
    maps = {
        name: theirs[name] for name in theirs if name.startswith(prefix) and theirs[name].dim() == 4
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
    """Detections whose place says which they are: whose score is no other's. (B, K)

    Those of equal score are in any order, and of those with the last score others may have been
    left out. A score of 0, where there are no more peaks, is the last.
    """
    after = torch.nn.functional.pad(scores[:, 1:] != scores[:, :-1], (1, 1), value=True)
    unique = after[:, 1:] & after[:, :-1]
    return unique & (scores != scores[:, -1:])


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
