"""ONNX Runtime."""

from pathlib import Path

import torch
from torch import Tensor

from ..errors import UserInputError
from .program_check import Run


def open_session(path: str | Path, threads: int | None = None):
    """ONNX Runtime on the CPU, quiet.

    Raises:
        UserInputError: the file is none of ONNX, or ONNX Runtime has no deformable convolution.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or torch.get_num_threads()
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    except Exception as error:  # of one class per cause, out of a compiled module
        if 'Protobuf parsing failed' in str(error):
            raise UserInputError(f"'{path}' is no ONNX file, or not a whole one") from error
        if 'implementation for DeformConv' not in str(error):
            raise
        raise UserInputError(
            f'onnxruntime {onnxruntime.__version__} has no deformable convolution on CPUs; update '
            'it to 1.25 or later, or export with --grid-sample'
        ) from error


def as_program(session) -> Run:
    """A session as a function of tensors."""
    feeds = [value.name for value in session.get_inputs()]
    names = [value.name for value in session.get_outputs()]

    def run(inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
        feed = {name: x.numpy() for name, x in zip(feeds, inputs, strict=True)}
        return dict(zip(names, map(torch.from_numpy, session.run(names, feed)), strict=True))

    return run
