from .inferencer import CenterNetInferencer, result_names

__all__ = ['CenterNetInferencer', 'result_names']
