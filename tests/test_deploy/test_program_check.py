"""What the comparison finds, and what it must not be misled by."""

import numpy as np
import pytest
import torch

onnx = pytest.importorskip('onnx', reason="needs pip install -e '.[deploy]'")
pytest.importorskip('onnxscript', reason="needs pip install -e '.[deploy]'")
pytest.importorskip('onnxruntime', reason="needs pip install -e '.[deploy]'")

from centernet_plugin.deploy.onnx_session import as_program, open_session  # noqa: E402
from centernet_plugin.deploy.program_check import check_program, comparable  # noqa: E402
from centernet_plugin.errors import UserInputError  # noqa: E402

KIND = ('resnet-dcn', 'all', 1)


def check(path, graph, tolerance):
    return check_program(as_program(open_session(path)), graph, [(2, 64, 96)], tolerance)


def test_equal_scores_are_not_compared():
    scores = torch.tensor([[0.9, 0.8, 0.8, 0.7, 0.5], [0.9, 0.6, 0.5, 0.0, 0.0]])
    expected = [[True, False, False, True, False], [True, True, True, False, False]]
    assert comparable(scores).tolist() == expected


def test_a_good_file_passes_and_all_detections_are_compared(exported):
    made = exported(*KIND)
    (found,) = check(made.path, made.graph, 1e-3)
    assert found.compared == 2 * 29  # the last one may tie with what was left out
    assert found.lines()[0].startswith('2 x 64 x 96: maps heatmap ')


def test_a_changed_weight_is_found(exported, tmp_path):
    made = exported(*KIND)
    model = onnx.load(made.path)
    makers = {name: node for node in model.graph.node for name in node.output}
    bias = makers['raw.size'].input[2]
    (tensor,) = [t for t in model.graph.initializer if t.name == bias]
    tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) + 0.5, bias))
    onnx.save(model, tmp_path / 'wrong.onnx')
    with pytest.raises(UserInputError, match="the file's size differ from PyTorch's"):
        check(tmp_path / 'wrong.onnx', made.graph, 1e-3)
    check(tmp_path / 'wrong.onnx', made.graph, None)  # maps may differ by anything


def test_another_decoding_is_found(exported, monkeypatch):
    made = exported(*KIND)
    monkeypatch.setattr(made.graph.head.branches[0], 'decode', halved(made.graph.head.branches[0]))
    with pytest.raises(UserInputError, match="the file's boxes"):
        check(made.path, made.graph, None)


def halved(branch):
    decode = branch.decode
    return lambda values, peaks, to_image: decode(values / 2, peaks, to_image)


def test_a_map_that_is_not_a_number_is_found(exported, monkeypatch):
    made = exported(*KIND)
    forward = type(made.graph).forward

    def broken(self, *inputs):
        return {
            k: v * np.nan if k == 'raw.offset' else v for k, v in forward(self, *inputs).items()
        }

    monkeypatch.setattr(type(made.graph), 'forward', broken)
    with pytest.raises(UserInputError, match="the file's offset differ"):
        check(made.path, made.graph, 1e-3)
