"""A program for every batch and size of images, that PyTorch runs without this package."""

import json
import subprocess
import sys

import pytest
import torch
from small_detectors import detector
from small_networks import NETWORKS

from centernet_plugin.deploy import torch_program
from centernet_plugin.deploy.detector_graph import DetectorGraph
from centernet_plugin.deploy.torch_program import METADATA, make_program
from centernet_plugin.errors import UserInputError

KINDS = [('resnet', 'all', 1), *((name, 'box', 3) for name in NETWORKS)]
ALONE = """
import sys, torch
program = torch.export.load(sys.argv[1]).module()
inputs = torch.load(sys.argv[2])
torch.save([program(*one) for one in inputs], sys.argv[3])
for name in ('centernet_plugin', 'mmdet', 'mmcv', 'mmengine'):
    assert name not in sys.modules, name
"""


@pytest.mark.slow  # quick: test_tools/test_export_torch.py
@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: ' '.join(map(str, kind)))
def test_any_batch_and_size_without_this_package(kind, tmp_path):
    model, path = detector(*kind), tmp_path / 'out.pt2'
    differences = make_program(model, path, classes=tuple('abc'[: kind[2]]), report=lambda _: None)
    assert len(differences) == 2
    assert sum(found.compared for found in differences) > 3
    graph = DetectorGraph(model)
    inputs = [graph.example(*one) for one in [(1, (64, 64)), (3, (96, 160)), (2, (64, 256))]]
    torch.save(inputs, tmp_path / 'in.pth')
    command = [sys.executable, '-c', ALONE, path, tmp_path / 'in.pth', tmp_path / 'found.pth']
    run = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert run.returncode == 0, run.stderr
    for one, found in zip(inputs, torch.load(tmp_path / 'found.pth'), strict=True):
        expected = graph(*one)
        assert list(found) == list(expected)
        assert found['scores'].numpy() == pytest.approx(expected['scores'].numpy(), abs=1e-5)
        assert {name: (v.shape, v.dtype) for name, v in found.items()} == {
            name: (v.shape, v.dtype) for name, v in expected.items()
        }
    extra = {METADATA: ''}
    torch.export.load(path, extra_files=extra)
    about = json.loads(extra[METADATA])
    assert json.loads(about['classes']) == list('abc'[: kind[2]])


def test_maps_of_one_shape_in_half_precision(tmp_path):
    options = dict(classes=('a',) * 3, report=lambda _: None, shape=(1, 64, 96), raw_maps=True)
    path = tmp_path / 'out.pt2'
    found = make_program(detector('resnet'), path, dtype=torch.bfloat16, **options)
    assert found[0].shape == (1, 64, 96)
    assert 1e-3 < max(d / size for d, size in found[0].maps.values()) < 0.2
    program = torch.export.load(path).module()
    maps = program(torch.zeros(1, 3, 64, 96))
    assert {name: value.dtype for name, value in maps.items()} == dict.fromkeys(
        ('heatmap', 'size', 'offset'), torch.float32
    )
    with pytest.raises(AssertionError):
        program(torch.zeros(1, 3, 64, 64))


def test_nothing_is_written_that_differs(tmp_path, monkeypatch):
    model, path = detector('resnet'), tmp_path / 'out.pt2'
    options = dict(classes=('a',) * 3, report=lambda _: None)
    with pytest.raises(UserInputError, match='differ from PyTorch'):
        make_program(model, path, tolerance=0.0, dtype=torch.float16, **options)
    trace = torch_program.trace

    def halved(graph, **options):
        """Of detections alone, another program than that whose maps are compared."""
        if not graph.maps:
            size = graph.head.branches[0]
            decode = size.decode
            size.decode = lambda values, *others: decode(values / 2, *others)
        return trace(graph, **options)

    monkeypatch.setattr(torch_program, 'trace', halved)
    with pytest.raises(UserInputError, match="the file's boxes are not those of its own maps"):
        make_program(model, path, **options)
    with pytest.raises(UserInputError, match='no multiples of 32'):
        make_program(model, path, shape=(1, 64, 100), **options)
    assert not path.exists()
