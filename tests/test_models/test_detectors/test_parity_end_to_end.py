"""An image and published weights give the final detections of the original, in all test modes.

The numbers come of the original's own test code, its network in float64.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.registry import TRANSFORMS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope

from centernet_plugin.checkpoints import convert_file
from centernet_plugin.models import CenterNetTTA
from centernet_plugin.registry import MODELS

TESTS = Path(__file__).parents[2]
CONFIGS = TESTS.parent / 'configs/centernet'
sys.path.insert(0, str(TESTS))
from official_weights import load_case  # noqa: E402

RANK = 100
KEYS = ('ori_shape', 'img_shape', 'scale_factor', 'border')
# (score, corner in px): float64 network with the data preprocessor's float64 and float32
# normalisation, and float32 throughout.
EXACT, ROUNDED_INPUT, FLOAT32 = (1e-5, 1e-3), (5e-5, 5e-3), (1e-3, 0.05)


@pytest.fixture(scope='module')
def case():
    with np.load(TESTS / 'data/steps/end_to_end_resdcn_18.npz') as numbers:
        return dict(numbers)


@pytest.fixture(scope='module')
def model(case, tmp_path_factory):
    """The network of the case in float64, by way of the converter and the shipped config."""
    folder = tmp_path_factory.mktemp('weights')
    published = load_case(str(case['network_case']).removesuffix('.npz'))[0]
    for name, value in case.items():
        for ending in ('_times', '_plus'):
            if name.endswith(ending):  # hm_2_weight_times: hm.2.weight
                tensor = published['state_dict'][name.removesuffix(ending).replace('_', '.')]
                tensor.copy_(tensor * float(value) if ending == '_times' else tensor + float(value))
    torch.save(published, folder / 'published.pth')
    convert_file(folder / 'published.pth', folder / 'ours.pth')
    config = Config.fromfile(CONFIGS / 'centernet_r18-dcnv2_4xb28-warp512-140e_coco.py')
    config.model.backbone.init_cfg = None
    model = MODELS.build(config.model).eval()
    weights = torch.load(folder / 'ours.pth', weights_only=True)['state_dict']
    model.load_state_dict(weights, strict=True)
    return model


def views(image, *transforms):
    """A batch of one image as ``TestTimeAug`` and mmengine's collate give it."""
    pack = dict(type='mmdet.PackDetInputs', meta_keys=KEYS)
    results = dict(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])
    augment = dict(type='TestTimeAug', transforms=[list(transforms), [pack]])
    with DefaultScope.overwrite_default_scope('mmdet'):  # as a runner does
        return pseudo_collate([TRANSFORMS.build(augment)(results)])


def detect(model, case, mode):
    """Rows x1 y1 x2 y2 score label."""
    resolution, flip, scales = mode.split('.')
    size = tuple(int(v) for v in case['fix_size_hw'][::-1])
    transforms = [dict(type='centernet_plugin.FixResAffine', size=size)]
    if resolution == 'keep':
        transforms = [
            dict(type='centernet_plugin.KeepResPad', pad=31, scale=float(scale))
            for scale in (case['scales'] if scales == 'multi' else (1,))
        ]
    data = views(case['image_bgr'], *transforms)
    (sample,) = CenterNetTTA(model, flip=flip == 'flip').test_step(data)
    found = sample.pred_instances
    columns = [found.bboxes, found.scores[:, None], found.labels[:, None]]
    return torch.cat(columns, dim=1).double().numpy()


def unmatched(rows, others, score, corner, margin):
    """How many rows have no counterpart of their class; those at the last rank may not."""
    left = list(others)
    floor = min(rows[:, 4].min(), others[:, 4].min()) if len(rows) >= RANK else 0
    count = 0
    for row in rows:
        match = [
            i
            for i, other in enumerate(left)
            if row[5] == other[5]
            and abs(row[4] - other[4]) <= score
            and np.abs(row[:4] - other[:4]).max() <= corner
        ]
        if match:
            del left[match[0]]
        elif row[4] > floor + margin:
            count += 1
    return count


MODES = ['keep.plain.single', 'keep.flip.single', 'keep.flip.multi']
MODES += ['fix.plain.single', 'fix.flip.single']


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('precision', ['float64', 'rounded', 'float32'])
def test_detections_of_the_original(model, case, mode, precision):
    score, corner = dict(float64=EXACT, rounded=ROUNDED_INPUT, float32=FLOAT32)[precision]
    dtype = torch.float32 if precision == 'float32' else torch.float64
    model.to(dtype)
    model.data_preprocessor.to(torch.float64 if precision == 'float64' else torch.float32)
    cast = model.data_preprocessor.register_forward_hook(
        lambda module, args, data: dict(data, inputs=data['inputs'].to(dtype))
    )
    rows, expected = detect(model, case, mode), case[mode].astype(np.float64)
    cast.remove()
    assert len(rows) == len(expected) == RANK
    assert (np.diff(rows[:, 4]) <= 0).all()
    margin = max(score, 1e-5)
    assert unmatched(expected, rows, score, corner, margin) == 0
    assert unmatched(rows, expected, score, corner, margin) == 0
