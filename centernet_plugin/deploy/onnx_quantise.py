"""The network of an exported graph in int8; normalisation and decoding stay float32."""

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..errors import UserInputError
from .detector_graph import RAW
from .onnx_calibration import pad

# Those that ONNX Runtime's CPU provider computes in int8. Deformable convolution is not among them.
OPERATORS = (
    'Conv', 'Relu', 'Clip', 'Add', 'Mul', 'Sigmoid', 'Concat', 'MaxPool', 'Resize',
)  # fmt: skip


def quantise(
    source: str | Path,
    path: str | Path,
    images: Iterable[np.ndarray],
    progress: Callable[[int], None] = lambda done: None,
) -> Path:
    """Writes a file whose network computes in int8 where it can.

    Weights have a scale per output channel, activations one and a zero point, by the smallest and
    largest values that the images make. The last convolution of every map stays float32: its output
    is scores and positions, which 256 steps are too few for.

    Args:
        source: an exported file with maps among its outputs.
        path: of the file to write.
        images: pixels as the graph takes them, but for their padding. (1, 3, H, W) each, float32.
            Of a file for one shape, all are of it, and repeated to fill its batch.
        progress: is told how many images have been run.

    Returns:
        ``path``.

    Raises:
        UserInputError: the file is for one shape, and an image has another.
    """
    import onnx
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    model = onnx.load(str(source))
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    feeds = _feeds(
        images, json.loads(metadata['size_divisor']), json.loads(metadata['pad_pixel']), model,
        progress,
    )  # fmt: skip

    class Reader(CalibrationDataReader):
        def get_next(self):
            return next(feeds, None)

    with _quiet():
        quantize_static(
            str(source),
            str(path),
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,  # with weights in int8, what CPUs multiply at once
            op_types_to_quantize=list(OPERATORS),
            nodes_to_quantize=network_nodes(model),
        )
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, metadata | dict(dtype=json.dumps('int8')))
    onnx.save(model, str(path))
    return Path(path)


def network_nodes(model) -> list[str]:
    """Names of the nodes between the normalised image and the last convolutions of the maps."""
    makers = {name: node for node in model.graph.node for name in node.output}
    maps = [output.name for output in model.graph.output]
    if any(name.startswith(RAW) for name in maps):
        maps = [name for name in maps if name.startswith(RAW)]
    last = [makers[name] for name in maps]
    found, waiting = {}, [name for node in last for name in node.input]
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.name not in found:
            found[node.name] = node
            waiting += node.input
    return [name for name, node in found.items() if node.op_type in OPERATORS]


def _feeds(images, divisor, pixel, model, progress) -> Iterator[dict[str, np.ndarray]]:
    names = [value.name for value in model.graph.input]
    batch, _, *size = (d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim)
    for i, image in enumerate(images):
        feed = dict(images=pad(image, divisor, pixel))
        if batch:  # 0 where it is open
            if list(feed['images'].shape[2:]) != size:
                height, width = feed['images'].shape[2:]
                raise UserInputError(
                    f'the file is for inputs of {size[0]} x {size[1]}, the test pipeline makes one '
                    f'of {height} x {width} for the calibration; let it make that size, by '
                    'FixResAffine for instance, or export without --shape'
                )
            feed['images'] = np.repeat(feed['images'], batch, axis=0)
        if 'cam2img' in names:  # matters for nothing that is quantised
            feed['cam2img'] = np.eye(3, 4, dtype=np.float32)[None].repeat(batch or 1, axis=0)
        yield feed
        progress(i + 1)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice to prepare the model, which it is already."""
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logging.root.setLevel(level)
