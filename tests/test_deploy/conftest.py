"""Narrow detectors as ONNX files, each made once."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from small_networks import NETWORKS, disturb, model_config, noise
from torch import nn

from centernet_plugin.deploy.onnx_graph import DetectorGraph
from centernet_plugin.models.layers import ModulatedDeformConv2d

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


@dataclass
class Exported:
    model: nn.Module
    graph: DetectorGraph
    path: Path

    def layers(self) -> int:
        return sum(isinstance(m, ModulatedDeformConv2d) for m in self.model.modules())


@pytest.fixture(scope='session')
def exported(tmp_path_factory):
    """``exported(name, branches, classes)``: a file with maps and detections."""
    from centernet_plugin.deploy.onnx_export import export_onnx
    from centernet_plugin.deploy.onnx_metadata import describe

    made = {}

    def make(name, branches='box', classes=3, **options):
        key = (name, branches, classes, *options)
        if 'dcn' in name and not options and not has_deform_conv():
            pytest.skip('this onnxruntime has no DeformConv on CPUs; 1.25 has')
        if key not in made:
            model = detector(name, branches, classes)
            graph = DetectorGraph(model, maps=True)
            path = tmp_path_factory.mktemp('onnx') / f'{name}.onnx'
            metadata = describe(graph, None, tuple('abcdef'[:classes]))
            export_onnx(graph, path, metadata=metadata, **options)
            made[key] = Exported(model, graph, path)
        return made[key]

    return make


__all__ = ['NETWORKS', 'Exported', 'detector', 'detector_config']
