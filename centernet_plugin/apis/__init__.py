from .frames import Frame
from .inferencer import CenterNetInferencer
from .sources import find_sources

__all__ = ['CenterNetInferencer', 'Frame', 'find_sources']
