"""All steps from a detector to an ONNX file that has been compared with it."""

import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from torch import nn

from ..errors import UserInputError
from .onnx_check import TOLERANCES, Difference, check_onnx
from .onnx_export import export_onnx, keep_detections
from .onnx_graph import DetectorGraph
from .onnx_metadata import describe
from .onnx_packages import require_packages


def make_onnx(
    model: nn.Module,
    path: str | Path,
    *,
    classes: tuple[str, ...],
    config: Config | None = None,
    raw_maps: bool = False,
    dtype: torch.dtype = torch.float32,
    shape: tuple[int, int, int] | None = None,
    grid_sample: bool = False,
    calibration: Iterable[np.ndarray] | None = None,
    check: bool = True,
    tolerance: float | None = None,
    report: Callable[[str], None] = print,
) -> list[Difference]:
    """Writes a detector as an ONNX file, after a comparison with it.

    Args:
        model: a detector with ``CenterNetHead``; stays as it is.
        path: of the file.
        classes: names, kept in the file.
        config: of which ``test_pipeline`` is kept, so that others can feed images as it does.
        raw_maps: whether outputs are the head's maps instead of detections.
        dtype: of the network.
        shape: batch, height and width, if only one; else any.
        grid_sample: see :func:`~centernet_plugin.deploy.onnx_export.export_onnx`.
        calibration: inputs of the test pipeline, by which the network is quantised to int8. Each
            (1, 3, H, W), float32
        check: whether to compare the file with the detector in float32.
        tolerance: of maps, see :func:`~centernet_plugin.deploy.onnx_check.check_onnx`; default by
            ``dtype``, none for int8.
        report: is told what happens.

    Returns:
        The differences, if it was checked.

    Raises:
        UserInputError: packages are missing, the shape does not fit the network, or differences
            exceed the tolerance. The file is not written then.
    """
    require_packages()
    graph = DetectorGraph(model, detections=not raw_maps, maps=True, dtype=dtype)
    _check_shape(shape, graph.size_divisor)
    if tolerance is None and calibration is None:
        tolerance = TOLERANCES[dtype]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, 'full.onnx')
        report('exporting')
        metadata = describe(graph, config, classes)
        export_onnx(graph, file, shape=shape, grid_sample=grid_sample, metadata=metadata)
        if calibration is not None:
            from .onnx_quantise import quantise

            report('quantising')
            path_int8 = Path(folder, 'int8.onnx')
            file = quantise(file, path_int8, calibration, lambda n: _count(n, report))
        differences = []
        if check:
            report('comparing with PyTorch: largest differences, in brackets the largest value')
            if dtype != torch.float32:
                graph = DetectorGraph(model, detections=not raw_maps, maps=True)
            differences = check_onnx(file, graph, shapes_to_check(graph, shape), tolerance)
            for difference in differences:
                report('\n'.join(difference.lines()))
        keep_detections(file, path)
    for note in notes(graph, metadata):
        report(f'note: {note}')
    report(f'{path}: {Path(path).stat().st_size / 2**20:.1f} MiB')
    return differences


def notes(graph: DetectorGraph, metadata: dict[str, str]) -> list[str]:
    """What a user of the file has to know, because the file alone does not do as the test does."""
    found = []
    if not graph.detections:
        return found
    if graph.head.test_cfg['nms'] is not None:
        found.append('the nms of test_cfg is not in the file; its metadata has it')
    moves = json.loads(metadata['outputs'])
    others = [name for name, motion in moves.items() if motion == 'other']
    if others:
        found.append(f'how {", ".join(others)} move with the image in the input is not known')
    if json.loads(metadata['resize']) is None:
        found.append('how the config places an image in the input is not known to the file')
    return found


def _count(images: int, report: Callable[[str], None]) -> None:
    if images % 16 == 0:
        report(f'    {images} images')


def shapes_to_check(
    graph: DetectorGraph, shape: tuple[int, int, int] | None
) -> list[tuple[int, int, int]]:
    """Batches and sizes to compare, none of them that of the export: as small as makes sense."""
    if shape is not None:
        return [shape]
    side = graph.size_divisor
    few = max(256 // side, 1)
    return [(1, side * few, side * few), (3, side * (few // 2 + 1), side * (few + 1))]


def _check_shape(shape: tuple[int, int, int] | None, divisor: int) -> None:
    if shape is not None and (min(shape) < 1 or any(side % divisor for side in shape[1:])):
        raise UserInputError(
            f'a height and width of {shape[1]} and {shape[2]} are no multiples of {divisor}, as '
            'this network needs'
        )
