"""Narrow detectors with all kinds of branches, that take pixels."""

import torch
from mmdet.registry import MODELS
from small_networks import disturb, model_config, noise
from torch import nn

PIXELS = dict(mean=[100.0, 110.0, 120.0], std=[60.0, 70.0, 80.0], bgr_to_rgb=True)
BOX = [dict(type='centernet_plugin.SizeBranch'), dict(type='centernet_plugin.OffsetBranch')]
BRANCHES = {
    'box': BOX,
    'pose': [
        *BOX,
        dict(type='centernet_plugin.JointsBranch', num_joints=3),
        dict(type='centernet_plugin.JointHeatmapBranch', num_joints=3, topk=30),
        dict(type='centernet_plugin.JointOffsetBranch'),
    ],
    'space': [
        *BOX,
        dict(type='centernet_plugin.DepthBranch'),
        dict(type='centernet_plugin.DimensionBranch'),
        dict(type='centernet_plugin.OrientationBranch'),
    ],
}
BRANCHES['all'] = BRANCHES['pose'] + BRANCHES['space'][2:]


def has_deform_conv() -> bool:
    from onnxruntime import __version__ as version

    return tuple(map(int, version.split('.')[:2])) >= (1, 25)


def detector_config(name: str, branches: str = 'box', classes: int = 3) -> dict:
    """Config of a narrow detector that takes pixels; 30 detections of an image."""
    config = model_config(name, **PIXELS)
    config['bbox_head'] |= dict(num_classes=classes, branches=BRANCHES[branches])
    config['test_cfg'] = dict(topk=40, max_per_img=30)
    return config


def detector(name: str, branches: str = 'box', classes: int = 3) -> nn.Module:
    """A detector in evaluation mode, whose norms and offsets matter."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = MODELS.build(detector_config(name, branches, classes))
        disturb(model)
        for output in model.bbox_head.heads[-1].values():
            output[-1].weight.data *= 0.2  # no saturated scores, no depths of kilometres
        with torch.no_grad():
            model.train()(noise(2))
    return model.eval()
