from .dla import DLANet
from .hourglass import HourglassNet

__all__ = ['DLANet', 'HourglassNet']
