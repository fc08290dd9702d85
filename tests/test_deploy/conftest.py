"""Narrow detectors as ONNX files, each made once."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from small_detectors import detector, has_deform_conv
from torch import nn

from centernet_plugin.deploy.detector_graph import DetectorGraph
from centernet_plugin.models.layers import ModulatedDeformConv2d


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
    from centernet_plugin.deploy.program_metadata import describe

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
