"""From a detector to a file that ONNX Runtime runs."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

from ..engine.whole_files import write_whole
from .detector_graph import RAW, DetectorGraph
from .torch_program import BATCH, HEIGHT, WIDTH, trace

OPSET = 19  # the first with deformable convolution
DETECTIONS = 'detections'
MAP_SIDES = ('map_height', 'map_width')


@torch.no_grad()
def export_onnx(
    graph: DetectorGraph,
    path: str | Path,
    *,
    shape: tuple[int, int, int] | None = None,
    grid_sample: bool = False,
    metadata: dict[str, str] | None = None,
) -> None:
    """Writes the graph, with its weights, as one ONNX file.

    Args:
        graph: of the detector.
        path: of the file.
        shape: the one batch, height and width that the file is for; default: any.
        grid_sample: whether deformable convolutions become ``GridSample`` and a matrix product, for
            programs without ``DeformConv``; slower, and exact to a few 1e-5 of a cell only.
        metadata: texts to be kept in the file.

    Raises:
        UserInputError: something in the model holds only for the size that it is exported with.
    """
    inputs = graph.example() if shape is None else graph.example(shape[0], shape[1:])
    outputs = graph(*inputs)
    with _quiet():
        form = 'GridSample' if grid_sample else 'DeformConv'
        program = trace(graph, shape=shape, deform_conv=form)
        program = torch.onnx.export(
            program,
            (),
            opset_version=OPSET,
            input_names=['images', 'cam2img'][: len(inputs)],
            output_names=list(outputs),
            external_data=False,
        )
    if shape is None:
        _name_dimensions(program.model.graph, outputs)
    program.model.metadata_props.update(metadata or {})
    program.save(str(path))


def keep_detections(source: str | Path, path: str | Path) -> None:
    """Writes a copy of an ONNX file without the maps among its outputs."""
    import onnx

    model = onnx.load(str(source))
    for output in [output for output in model.graph.output if output.name.startswith(RAW)]:
        model.graph.output.remove(output)
    write_whole(path, model.SerializeToString())


def _name_dimensions(graph, outputs: dict[str, torch.Tensor]) -> None:
    """Plain names for the sizes that are free."""
    import onnx_ir as ir

    for value in graph.inputs:
        sides = [3, HEIGHT, WIDTH] if value.name == 'images' else value.shape[1:]
        value.shape = ir.Shape([BATCH, *sides])
    for value in graph.outputs:
        is_map = value.name.startswith(RAW) or 'scores' not in outputs
        known = outputs[value.name].shape
        rest = [known[1], *MAP_SIDES] if is_map else [DETECTIONS, *known[2:]]
        value.shape = ir.Shape([BATCH, *rest])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's remarks on its own progress, and on packages that nothing here needs."""
    logger = logging.getLogger('torch.onnx')
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter('ignore')
            yield
    finally:
        logger.setLevel(level)
