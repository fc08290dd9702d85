from .detections import detect
from .frames import Frame
from .inferencer import CenterNetInferencer
from .sources import find_sources

__all__ = ['CenterNetInferencer', 'Frame', 'detect', 'find_sources']
