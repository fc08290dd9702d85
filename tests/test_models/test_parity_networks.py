"""The networks give the outputs of the original code, for weights in the published layout."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import centernet_plugin.models  # noqa: F401  registers the neck
from centernet_plugin.registry import MODELS

sys.path.insert(0, str(Path(__file__).parents[1]))
from official_weights import load_case  # noqa: E402

NECKS = {
    'res_18_ctdet_coco': dict(deconv_channels=(256, 256, 256)),
    'resdcn_18_ctdet_coco': dict(deconv_channels=(256, 128, 64), use_dcn=True),
}
HEADS = ('hm', 'wh', 'reg')


class ResNetCenterNet(nn.Module):
    """Backbone and neck as a config builds them, and the published heads."""

    def __init__(self, neck):
        super().__init__()
        self.backbone = MODELS.build(
            dict(type='mmdet.ResNet', depth=18, norm_eval=False, style='pytorch')
        )
        self.neck = MODELS.build(
            dict(type='centernet_plugin.CenterNetDeconvNeck', in_channels=512, **neck)
        )
        for name, channels in zip(HEADS, (80, 2, 2), strict=True):
            head = nn.Sequential(
                nn.Conv2d(self.neck.out_channels, 64, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(64, channels, 1),
            )
            self.add_module(name, head)

    def forward(self, x):
        (feat,) = self.neck(self.backbone(x))
        return {f'stack0.{name}': getattr(self, name)(feat) for name in HEADS}


def rename(key):
    """Published key -> key of ``ResNetCenterNet``."""
    key = key.replace('conv_offset_mask', 'conv_offset')
    if key.startswith(HEADS):
        return key
    return f'neck.{key}' if key.startswith('deconv_layers') else f'backbone.{key}'


@pytest.mark.parametrize(('dtype', 'bound'), [(torch.float64, 1e-6), (torch.float32, 2e-3)])
@pytest.mark.parametrize('case', NECKS)
def test_outputs_of_the_original(case, dtype, bound):
    checkpoint, image, expected = load_case(case)
    model = ResNetCenterNet(NECKS[case])
    state = {rename(key): value for key, value in checkpoint['state_dict'].items()}
    model.load_state_dict(state, strict=True)
    with torch.no_grad():
        outputs = model.eval().to(dtype)(image.to(dtype))
    assert outputs.keys() == expected.keys()
    for name, target in expected.items():
        assert (outputs[name] - target).abs().max() <= bound * target.abs().max()
