from .deconv import CenterNetDeconvNeck
from .dla_up import DLAUp

__all__ = ['CenterNetDeconvNeck', 'DLAUp']
