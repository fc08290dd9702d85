from .detections import detect
from .frames import Frame
from .inference_runner import InferenceRunner
from .inferencer import CenterNetInferencer
from .result_names import result_names
from .sources import find_sources

__all__ = [
    'CenterNetInferencer',
    'Frame',
    'InferenceRunner',
    'detect',
    'find_sources',
    'result_names',
]
