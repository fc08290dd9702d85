from .deform_conv import ModulatedDeformConv2d, modulated_deform_conv2d
from .dla_tree import DLABasicBlock, DLABottleneck, DLATree
from .ida_up import IDAUp

__all__ = [
    'DLABasicBlock',
    'DLABottleneck',
    'DLATree',
    'IDAUp',
    'ModulatedDeformConv2d',
    'modulated_deform_conv2d',
]
