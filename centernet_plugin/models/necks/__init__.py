from .deconv import CenterNetDeconvNeck

__all__ = ['CenterNetDeconvNeck']
