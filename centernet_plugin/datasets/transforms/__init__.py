from .fields import Warp, field_warp
from .fix_res_affine import FixResAffine
from .keep_res_pad import KeepResPad
from .load_annotations import LoadAnnotations
from .load_encoded_image import LoadEncodedImage
from .pack_det_inputs import PackDetInputs
from .paper_color_jitter import PaperColorJitter
from .random_crop_affine import RandomCropAffine
from .random_shift_scale_affine import RandomShiftScaleAffine

__all__ = [
    'FixResAffine',
    'KeepResPad',
    'LoadAnnotations',
    'LoadEncodedImage',
    'PackDetInputs',
    'PaperColorJitter',
    'RandomCropAffine',
    'RandomShiftScaleAffine',
    'Warp',
    'field_warp',
]
