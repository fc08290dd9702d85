"""Every shipped family of networks, as narrow as its arguments allow, with norms that matter."""

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import nn

from centernet_plugin.models.layers import ModulatedDeformConv2d

SIZE = (64, 96)
RESNET = dict(type='mmdet.ResNet', depth=18, base_channels=8, stem_channels=8)
BOTTLENECK = dict(RESNET, depth=50, base_channels=4)
DLA = dict(
    type='centernet_plugin.DLANet',
    arch=dict(levels=(1, 1, 1, 2, 2, 1), channels=(4, 4, 8, 16, 24, 32), block='basic'),
)
HOURGLASS = dict(
    type='centernet_plugin.HourglassNet',
    downsample_times=2,
    num_stacks=2,
    stage_channels=(8, 8, 12),
    stage_blocks=(1, 1, 2),
    feat_channel=8,
)
MOBILE = dict(type='mmdet.MobileNetV2', widen_factor=0.25, out_indices=(1, 2, 4, 7))
CSPNEXT = dict(
    type='mmdet.CSPNeXt',
    deepen_factor=0.167,
    widen_factor=0.125,
    out_indices=(1, 2, 3, 4),
    norm_cfg=dict(type='BN'),
    act_cfg=dict(type='SiLU', inplace=True),
)


def deconv(in_channels, **settings):
    kind = dict(type='centernet_plugin.CenterNetDeconvNeck', deconv_channels=(16, 8, 8))
    return dict(kind, in_channels=in_channels, **settings)


def dla_up(*in_channels, plain=True):
    plain = dict(merge='concat', use_dcn=False, final_ida=False) if plain else {}
    return dict(type='centernet_plugin.DLAUp', in_channels=in_channels, **plain)


NETWORKS = {  # backbone, neck, channels of the head's input
    'resnet': (RESNET, deconv(64), 8),
    'resnet-dcn': (RESNET, deconv(64, use_dcn=True), 8),
    'resnet-dcn, no bias': (BOTTLENECK, deconv(128, use_dcn=True, layout='mmdet'), 8),
    'dla': (DLA, dla_up(8, 16, 24, 32), 8),
    'dla-dcn': (DLA, dla_up(8, 16, 24, 32, plain=False), 8),
    'hourglass': (HOURGLASS, None, 8),
    'mobilenetv2': (MOBILE, dla_up(8, 8, 24, 1280), 8),
    'cspnext': (CSPNEXT, dla_up(16, 32, 64, 128), 16),
}


def model_config(name: str, **preprocessor) -> dict:
    """The detector's config; ``preprocessor`` are settings of its data preprocessor."""
    backbone, neck, channels = NETWORKS[name]
    return dict(
        type='centernet_plugin.CenterNet',
        data_preprocessor=dict(
            type='mmdet.DetDataPreprocessor', pad_size_divisor=32, **preprocessor
        ),
        backbone=backbone,
        neck=neck,
        bbox_head=dict(
            type='centernet_plugin.CenterNetHead',
            num_classes=3,
            in_channels=channels,
            feat_channels=8,
            num_stacks=backbone.get('num_stacks', 1),
        ),
    )


def build(name: str) -> nn.Module:
    """A detector in evaluation mode whose batch norms and sampling offsets are not the identity."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = MODELS.build(model_config(name))
        disturb(model)
        with torch.no_grad():
            model.train()(noise(2))
    model.is_init = True  # a runner initialises what is not
    return model.eval()


def disturb(model: nn.Module) -> None:
    """Draws anew what starts as the identity, and lets the next batch be all of the statistics."""
    for name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.5, 0.5)
        elif 'conv_offset' in name:
            nn.init.normal_(module.weight, std=0.01)
        elif isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.uniform_(module.bias, -0.2, 0.2)
        elif isinstance(module, ModulatedDeformConv2d) and module.bias is not None:
            nn.init.uniform_(module.bias, -0.2, 0.2)


def noise(batch: int = 1, size: tuple[int, int] = SIZE, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, 3, *size, generator=torch.Generator().manual_seed(seed))


def norms(model: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


class Images(torch.utils.data.Dataset):
    """Four images of one object each; with ``views``, as ``TestTimeAug`` yields them."""

    metainfo = dict(classes=('a', 'b', 'c'))

    def __init__(self, views=False):
        self.views = views

    def __len__(self):
        return 4

    def __getitem__(self, i):
        meta = dict(img_shape=SIZE, ori_shape=SIZE, scale_factor=(1.0, 1.0), img_id=i)
        sample = DetDataSample(metainfo=meta)
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor([[4.0 + i, 8, 40, 50]]), labels=torch.tensor([i % 3])
        )
        image = noise(seed=i)[0]
        if self.views:
            return dict(inputs=[image], data_samples=[sample])
        return dict(inputs=image, data_samples=sample)
