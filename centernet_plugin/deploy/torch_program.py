"""From a detector to a program of ``torch.export``, which PyTorch runs without this package."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from mmengine.config import Config
from torch import nn
from torch.export import Dim, ExportedProgram

from ..engine.whole_files import write_whole
from ..errors import UserInputError
from ..models.layers.deform_conv import exported_as
from .detector_graph import DetectorGraph
from .program_check import TOLERANCES, Difference, check_program, shapes_to_check
from .program_metadata import describe, notes

BATCH, HEIGHT, WIDTH = 'batch', 'height', 'width'
METADATA = 'metadata.json'


@torch.no_grad()
def trace(
    graph: DetectorGraph,
    *,
    shape: tuple[int, int, int] | None = None,
    deform_conv: str = 'GridSample',
) -> ExportedProgram:
    """All operators of a graph, for any batch and size of images.

    Args:
        graph: of the detector.
        shape: the one batch, height and width that the program is for; default: any.
        deform_conv: what deformable convolutions become, see
            :func:`~centernet_plugin.models.layers.deform_conv.exported_as`.

    Raises:
        UserInputError: something in the model holds only for the size that it is exported with.
    """
    inputs = graph.example() if shape is None else graph.example(shape[0], shape[1:])
    dynamic = None
    if shape is None:
        batch = Dim(BATCH)
        sides = {2: _multiple(HEIGHT, graph.size_divisor), 3: _multiple(WIDTH, graph.size_divisor)}
        dynamic = ({0: batch} | sides, {0: batch})[: len(inputs)]
    try:
        with exported_as(deform_conv):
            return torch.export.export(graph, inputs, dynamic_shapes=dynamic, strict=False)
    except torch._dynamo.exc.UserError as error:
        raise UserInputError(
            'some part of the model uses the batch, height or width as a number, so that it cannot '
            f'be left open: export with --shape. torch says: {str(error).strip().splitlines()[0]}'
        ) from error


def make_program(
    model: nn.Module,
    path: str | Path,
    *,
    classes: tuple[str, ...],
    config: Config | None = None,
    raw_maps: bool = False,
    dtype: torch.dtype = torch.float32,
    shape: tuple[int, int, int] | None = None,
    check: bool = True,
    tolerance: float | None = None,
    report: Callable[[str], None] = print,
) -> list[Difference]:
    """Writes a detector as a file for ``torch.export.load``, after a comparison with it.

    A size that is left open is never taken for 1 by torch.export, so sides of images have to be
    twice ``size_divisor`` at least.

    The file has the texts of :func:`~centernet_plugin.deploy.program_metadata.describe` beside it,
    in ``metadata.json`` of its ``extra_files``.

    Args:
        model: a detector with ``CenterNetHead``; stays as it is.
        path: of the file.
        classes, config, raw_maps, dtype, shape, check, tolerance, report: as
            :func:`~centernet_plugin.deploy.onnx_file.make_onnx` takes them.

    Returns:
        The differences, if it was checked.

    Raises:
        UserInputError: the shape does not fit the network, or differences exceed the tolerance. The
            file is not written then.
    """
    graph = DetectorGraph(model, detections=not raw_maps, maps=raw_maps, dtype=dtype)
    graph.require_shape(shape)
    metadata = describe(graph, config, classes)
    report('exporting')
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, 'program.pt2')
        extra = {METADATA: json.dumps(metadata)}
        torch.export.save(trace(graph, shape=shape), file, extra_files=extra)
        differences = []
        if check:
            report('comparing: largest differences, in brackets the largest value')
            tolerance = TOLERANCES[dtype] if tolerance is None else tolerance
            differences = _check(file, model, graph, shape, tolerance)
            for difference in differences:
                report('\n'.join(difference.lines()))
        write_whole(path, file.read_bytes())
    for note in notes(graph, metadata):
        report(f'note: {note}')
    report(f'{path}: {Path(path).stat().st_size / 2**20:.1f} MiB')
    return differences


def _check(file, model, graph, shape, tolerance) -> list[Difference]:
    """Maps and decoding of a program with both, whose detections have to be the file's."""
    program = both = torch.export.load(file).module()
    if graph.detections:
        full = DetectorGraph(model, maps=True, dtype=graph.dtype)
        both = trace(full, shape=shape).module()

    def run(inputs):
        theirs, outputs = program(*inputs), both(*inputs)
        for name, value in theirs.items():
            if not torch.equal(value, outputs[name]):
                raise UserInputError(f"the file's {name} are not those of its own maps")
        return outputs

    exact = DetectorGraph(model, detections=graph.detections, maps=True)
    return check_program(run, exact, shapes_to_check(graph, shape), tolerance)


def _multiple(name: str, divisor: int):
    return divisor * Dim(f'{name}_over_{divisor}') if divisor > 1 else Dim(name)
