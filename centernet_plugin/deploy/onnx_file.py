"""All steps from a detector to an ONNX file that has been compared with it."""

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from torch import nn

from .detector_graph import DetectorGraph
from .onnx_export import export_onnx, keep_detections
from .onnx_packages import require_packages
from .onnx_session import as_program, open_session
from .program_check import TOLERANCES, Difference, check_program, shapes_to_check
from .program_metadata import describe, notes


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
        tolerance: of maps, see :func:`~centernet_plugin.deploy.program_check.check_program`;
            default by ``dtype``, none for int8.
        report: is told what happens.

    Returns:
        The differences, if it was checked.

    Raises:
        UserInputError: packages are missing, the shape does not fit the network, or differences
            exceed the tolerance. The file is not written then.
    """
    require_packages()
    graph = DetectorGraph(model, detections=not raw_maps, maps=True, dtype=dtype)
    graph.require_shape(shape)
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
            run, shapes = as_program(open_session(file)), shapes_to_check(graph, shape)
            differences = check_program(run, graph, shapes, tolerance)
            for difference in differences:
                report('\n'.join(difference.lines()))
        keep_detections(file, path)
    for note in notes(graph, metadata):
        report(f'note: {note}')
    report(f'{path}: {Path(path).stat().st_size / 2**20:.1f} MiB')
    return differences


def _count(images: int, report: Callable[[str], None]) -> None:
    if images % 16 == 0:
        report(f'    {images} images')
