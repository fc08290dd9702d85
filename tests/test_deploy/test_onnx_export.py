"""One file for every batch and size of images, that gives what PyTorch gives."""

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from small_networks import NETWORKS
from torch import nn

onnx = pytest.importorskip('onnx', reason="needs pip install -e '.[deploy]'")
pytest.importorskip('onnxscript', reason="needs pip install -e '.[deploy]'")
pytest.importorskip('onnxruntime', reason="needs pip install -e '.[deploy]'")

from centernet_plugin.deploy.onnx_export import export_onnx, keep_detections  # noqa: E402
from centernet_plugin.deploy.onnx_session import as_program, open_session  # noqa: E402
from centernet_plugin.deploy.program_check import compare  # noqa: E402
from centernet_plugin.errors import UserInputError  # noqa: E402

QUICK = ('resnet-dcn', 'all', 1)
KINDS = [QUICK] + [
    pytest.param((name, branches, 3), marks=pytest.mark.slow)
    for name, branches in [('dla-dcn', 'space'), *((name, 'box') for name in NETWORKS)]
]
SHAPES = [(1, 64, 64), (3, 96, 160), (1, 32, 32)]
FIELDS = {
    'box': {},
    'pose': dict(keypoints=(3, 2), keypoint_scores=(3,)),
    'space': dict(
        depths=(), locations=(3,), dimensions=(3,), alphas=(), rotations_y=()
    ),
}  # fmt: skip
FIELDS['all'] = FIELDS['pose'] | FIELDS['space']


@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind[0])
def test_any_batch_and_size(kind, exported):
    made = exported(*kind)
    session = open_session(made.path)
    for seed, (batch, *size) in enumerate(SHAPES):
        inputs = made.graph.example(batch, tuple(size), seed)
        found = compare(as_program(session), made.graph, inputs)
        assert found.beyond(2e-4) == []
        assert found.scores < 1e-4
        assert set(found.fields) == {'boxes', 'scores', 'labels', *FIELDS[kind[1]]}
        outputs = session.run(None, {'images': inputs[0].numpy()} | camera(inputs))
        by_name = dict(zip([o.name for o in session.get_outputs()], outputs, strict=True))
        k = min(30, kind[2] * size[0] * size[1] // 16)
        for name, shape in dict(boxes=(4,), scores=(), labels=(), **FIELDS[kind[1]]).items():
            assert by_name[name].shape == (batch, k, *shape)
        assert by_name['labels'].dtype == np.int64


def camera(inputs):
    return {'cam2img': inputs[1].numpy()} if len(inputs) > 1 else {}


def test_detections_are_those_of_predict(exported):
    """Of images that fill the input, before clipping; by the head's own decoding."""
    made = exported(*QUICK)
    images, *cameras = made.graph.example(2, (64, 96), seed=5)
    samples = []
    for i in range(2):
        meta = dict(img_shape=(64, 96), ori_shape=(64, 96), scale_factor=(1.0, 1.0), img_id=i)
        if cameras:
            meta['cam2img'] = cameras[0][i].numpy()
        samples.append(DetDataSample(metainfo=meta))
    made.model.bbox_head.test_cfg['clip'] = False
    data = made.model.data_preprocessor(dict(inputs=list(images), data_samples=samples))
    with torch.no_grad():
        predicted = made.model.predict(data['inputs'], data['data_samples'])
    session = open_session(made.path)
    names = [output.name for output in session.get_outputs()]
    feed = {'images': images.numpy()} | camera((images, *cameras))
    found = dict(zip(names, session.run(names, feed), strict=True))
    for i, sample in enumerate(predicted):
        theirs = sample.pred_instances
        fields = {name.replace('bboxes', 'boxes') for name in theirs.keys()}
        assert fields == {name for name in names if not name.startswith('raw.')}
        np.testing.assert_allclose(found['scores'][i], theirs.scores, atol=1e-5)
        apart = np.append(theirs.scores[:-1] - theirs.scores[1:] > 1e-5, False)
        first = apart.argmin()
        assert first > 2  # as far as no two scores are close
        for name, value in theirs.items():
            ours = found[name.replace('bboxes', 'boxes')][i]
            assert ours[:first] == pytest.approx(value[:first].numpy(), rel=1e-3, abs=1e-2)


def test_operators_are_standard_and_norms_are_gone(exported):
    made = exported(*QUICK)
    model = onnx.load(made.path)
    assert {node.domain for node in model.graph.node} <= {'', 'ai.onnx'}
    assert [entry.version for entry in model.opset_import if entry.domain == ''] == [19]
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count('DeformConv') == made.layers()
    assert 'BatchNormalization' not in kinds
    onnx.checker.check_model(model, full_check=True)


def test_sizes_have_names(exported):
    session = open_session(exported(*QUICK).path)
    assert {i.name: i.shape for i in session.get_inputs()} == {
        'images': ['batch', 3, 'height', 'width'],
        'cam2img': ['batch', 3, 4],
    }
    shapes = {o.name: o.shape for o in session.get_outputs()}
    assert list(shapes)[:3] == ['boxes', 'scores', 'labels']
    assert shapes['boxes'] == ['batch', 'detections', 4]
    assert shapes['raw.heatmap'] == ['batch', 1, 'map_height', 'map_width']


def test_detections_alone(exported, tmp_path):
    made = exported(*QUICK)
    keep_detections(made.path, tmp_path / 'out.onnx')
    session, full = open_session(tmp_path / 'out.onnx'), open_session(made.path)
    names = [o.name for o in session.get_outputs()]
    assert set(names) == {'boxes', 'scores', 'labels', *FIELDS['all']}
    images, cameras = made.graph.example(2, (64, 96))
    feed = dict(images=images.numpy(), cam2img=cameras.numpy())
    for ours, theirs in zip(session.run(names, feed), full.run(names, feed), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert session.get_modelmeta().custom_metadata_map['classes'] == '["a"]'


@pytest.mark.slow
def test_deformable_convolution_as_grid_sample(exported):
    made = exported('resnet-dcn', 'box', 3, grid_sample=True)
    kinds = [node.op_type for node in onnx.load(made.path).graph.node]
    assert kinds.count('GridSample') == made.layers() and 'DeformConv' not in kinds
    session = open_session(made.path)
    for batch, *size in SHAPES:
        found = compare(as_program(session), made.graph, made.graph.example(batch, tuple(size)))
        assert found.beyond(1e-3) == []


class Rigid(nn.Module):
    """Uses the height as a number."""

    size_divisor = 2

    def example(self, batch=2, size=(8, 12)):
        return (torch.zeros(batch, 3, *size),)

    def forward(self, images, cam2img=None):
        rows = [images[:, 0, i] for i in range(images.shape[2])]
        return dict(scores=torch.stack(rows, dim=1).amax(2))


def test_a_size_that_is_not_free_is_an_error_unless_it_is_the_only_one(tmp_path):
    """On its own, torch.onnx.export would fix the size without a word."""
    with pytest.raises(UserInputError, match='as a number, so that it cannot be left open'):
        export_onnx(Rigid(), tmp_path / 'out.onnx')
    assert not (tmp_path / 'out.onnx').exists()
    export_onnx(Rigid(), tmp_path / 'out.onnx', shape=(1, 8, 4))
    assert open_session(tmp_path / 'out.onnx').get_inputs()[0].shape == [1, 3, 8, 4]
