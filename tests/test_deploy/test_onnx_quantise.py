"""int8 by images of a folder."""

import cv2
import numpy as np
import pytest
from mmengine.config import Config

onnx = pytest.importorskip('onnx', reason="needs pip install -e '.[deploy]'")
pytest.importorskip('onnxscript', reason="needs pip install -e '.[deploy]'")
pytest.importorskip('onnxruntime', reason="needs pip install -e '.[deploy]'")

from centernet_plugin.deploy.onnx_calibration import CalibrationImages, pad  # noqa: E402
from centernet_plugin.deploy.onnx_quantise import network_nodes, quantise  # noqa: E402
from centernet_plugin.deploy.onnx_session import as_program, open_session  # noqa: E402
from centernet_plugin.deploy.program_check import check_program  # noqa: E402
from centernet_plugin.errors import UserInputError  # noqa: E402

KIND = ('resnet-dcn', 'all', 1)
PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='mmdet.Resize', scale=(48, 48), keep_ratio=True),
    dict(type='centernet_plugin.LoadAnnotations', with_bbox=True),
    dict(type='centernet_plugin.PackDetInputs'),
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'images/deep').mkdir(parents=True)
    random = np.random.default_rng(0)
    for name in ('a.png', 'b.jpg', 'deep/c.png', 'd.png'):
        image = random.integers(256, size=(60, 80, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / 'images' / name), image)
    return tmp_path / 'images'


def test_images_go_through_the_test_pipeline(folder):
    images = CalibrationImages(Config(dict(test_pipeline=PIPELINE)), folder, 2)
    assert len(images) == 2
    assert [image.shape for image in images] == [(1, 3, 36, 48)] * 2
    assert [path.name for path in images.paths] == ['a.png', 'd.png']


@pytest.mark.parametrize(
    ('config', 'where', 'count', 'sentence'),
    [
        (dict(test_pipeline=PIPELINE), 'nowhere', 4, 'there is no folder'),
        (dict(test_pipeline=PIPELINE), 'empty', 4, 'has no images'),
        (dict(), '.', 4, 'has no test_pipeline'),
        (dict(test_pipeline=PIPELINE), '.', 0, 'needs an image at least'),
    ],
)
def test_mistakes_are_named(folder, config, where, count, sentence):
    (folder / 'empty').mkdir()
    with pytest.raises(UserInputError, match=sentence):
        CalibrationImages(Config(config), folder / where, count)


def test_a_broken_image_is_named(folder):
    (folder / 'e.png').touch()
    images = CalibrationImages(Config(dict(test_pipeline=PIPELINE)), folder, 9)
    with pytest.raises(UserInputError, match=r"image '.*e.png' cannot be used"):
        list(images)


def test_padding_is_at_the_end():
    padded = pad(np.ones((1, 3, 5, 8), np.float32), 4, [2.0, 3.0, 4.0])
    assert padded.shape == (1, 3, 8, 8)
    assert (padded[:, :, :5] == 1).all() and (padded[0, :, 5:] == [[[2]], [[3]], [[4]]]).all()


def test_the_network_is_in_int8_and_the_rest_is_not(exported, folder, tmp_path):
    made = exported(*KIND)
    before = onnx.load(made.path)
    images = CalibrationImages(Config(dict(test_pipeline=PIPELINE)), folder)
    done = []
    path = quantise(made.path, tmp_path / 'int8.onnx', images, done.append)
    assert done == [1, 2, 3, 4]
    assert path.stat().st_size < 0.6 * made.path.stat().st_size
    after = onnx.load(path)
    weights = {t.name: t.data_type for t in after.graph.initializer}
    makers = {name: node for node in after.graph.node for name in node.output}
    for node in after.graph.node:
        if node.op_type == 'Conv':
            is_last = any(name.startswith('raw.') for name in node.output)
            is_int8 = makers.get(node.input[1]) and makers[node.input[1]].op_type
            assert is_int8 == (None if is_last else 'DequantizeLinear')
    assert onnx.TensorProto.INT8 in weights.values()
    network = set(network_nodes(before))
    rest = [node.name for node in before.graph.node if node.name not in network]
    assert 'TopK' in {node.op_type for node in before.graph.node if node.name in rest}
    metadata = {entry.key: entry.value for entry in after.metadata_props}
    assert metadata['dtype'] == '"int8"' and metadata['classes'] == '["a"]'
    # The decoding is still exact.
    check_program(as_program(open_session(path)), made.graph, [(1, 64, 96)], None)


@pytest.mark.slow
def test_maps_of_a_plain_network_stay_close(exported, folder, tmp_path):
    """Of a deformable one with weights at random, offsets make of any rounding what they like."""
    made = exported('resnet')
    images = CalibrationImages(Config(dict(test_pipeline=PIPELINE)), folder)
    path = quantise(made.path, tmp_path / 'int8.onnx', images)
    (images,) = made.graph.example(1, (64, 96))
    maps = made.graph(images)
    session = open_session(path)
    names = [f'raw.{name}' for name in ('heatmap', 'size', 'offset')]
    for name, value in zip(names, session.run(names, {'images': images.numpy()}), strict=True):
        assert np.corrcoef(value.ravel(), maps[name].numpy().ravel())[0, 1] > 0.9, name
