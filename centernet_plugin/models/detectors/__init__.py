from .centernet import CenterNet
from .centernet_tta import CenterNetTTA

__all__ = ['CenterNet', 'CenterNetTTA']
