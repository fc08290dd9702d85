from .inferencer import CenterNetInferencer

__all__ = ['CenterNetInferencer']
