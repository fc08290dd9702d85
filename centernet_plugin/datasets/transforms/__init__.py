from .fix_res_affine import FixResAffine
from .keep_res_pad import KeepResPad
from .pack_det_inputs import PackDetInputs
from .paper_color_jitter import PaperColorJitter
from .random_crop_affine import RandomCropAffine

__all__ = ['FixResAffine', 'KeepResPad', 'PackDetInputs', 'PaperColorJitter', 'RandomCropAffine']
