"""The networks of the shipped configs give the outputs of the original code.

Weights come in the published layout; only their names are changed.
"""

import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from centernet_plugin.registry import MODELS

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))
from official_weights import load_case  # noqa: E402

CONFIGS = {
    'res_18_ctdet_coco': 'centernet_r18_8xb16-warp512-140e_coco.py',
    'resdcn_18_ctdet_coco': 'centernet_r18-dcnv2_4xb28-warp512-140e_coco.py',
}
HEADS = {'hm': 'heatmap', 'wh': 'size', 'reg': 'offset'}


def rename(key):
    """Published key -> ours."""
    first, _, rest = key.replace('conv_offset_mask', 'conv_offset').partition('.')
    if first in HEADS:
        return f'bbox_head.heads.0.{HEADS[first]}.{rest}'
    part = 'neck' if first == 'deconv_layers' else 'backbone'
    return f'{part}.{first}.{rest}'


@pytest.mark.parametrize(('dtype', 'bound'), [(torch.float64, 1e-6), (torch.float32, 2e-3)])
@pytest.mark.parametrize('case', CONFIGS)
def test_outputs_of_the_original(case, dtype, bound):
    checkpoint, image, expected = load_case(case)
    config = Config.fromfile(TESTS.parent / 'configs' / 'centernet' / CONFIGS[case])
    config.model.backbone.pop('init_cfg', None)  # names a file to download
    model = MODELS.build(config.model)
    state = {rename(key): value for key, value in checkpoint['state_dict'].items()}
    model.load_state_dict(state, strict=True)
    with torch.no_grad():
        (maps,) = model.eval().to(dtype)(image.to(dtype), mode='tensor')
    assert maps.keys() == set(HEADS.values())
    for published, name in HEADS.items():
        target = expected[f'stack0.{published}']
        assert (maps[name] - target).abs().max() <= bound * target.abs().max()
