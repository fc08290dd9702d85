from .deform_conv import ModulatedDeformConv2d, modulated_deform_conv2d

__all__ = ['ModulatedDeformConv2d', 'modulated_deform_conv2d']
