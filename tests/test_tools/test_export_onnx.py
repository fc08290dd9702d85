"""The command line, and the example that runs what it writes."""

import builtins
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmdet.apis import inference_detector
from mmdet.registry import MODELS, TRANSFORMS
from mmengine.config import Config
from small_networks import disturb, model_config, noise

WHY = "needs pip install -e '.[deploy]'"
for package in ('onnx', 'onnxscript', 'onnxruntime'):
    pytest.importorskip(package, reason=WHY)

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / 'docs/examples/onnx_infer.py'
SHORT = ROOT / 'docs/examples/onnx_boxes.py'
STEPS = [
    dict(type='centernet_plugin.KeepResPad', pad=31),
    dict(type='centernet_plugin.KeepResPad', pad=15, scale=0.625),
    dict(type='centernet_plugin.FixResAffine', size=(96, 64)),
    dict(type='centernet_plugin.FixResAffine', size=(128, 32), fit='width'),
    dict(type='mmdet.Resize', scale=(70, 90), keep_ratio=True),
    dict(type='mmdet.Resize', scale=(70, 90)),
]


def pipeline(step):
    keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'border')
    return [
        dict(type='LoadImageFromFile'),
        step,
        dict(type='centernet_plugin.LoadAnnotations', with_bbox=True),
        dict(type='centernet_plugin.PackDetInputs', meta_keys=keys),
    ]


@pytest.fixture(scope='session')
def folder(tmp_path_factory):
    """A config, a checkpoint with class names, and an image."""
    folder = tmp_path_factory.mktemp('export')
    pixels = dict(mean=[100.0, 110.0, 120.0], std=[60.0, 70.0, 80.0], bgr_to_rgb=True)
    model = model_config('resnet', **pixels)
    model['test_cfg'] = dict(max_per_img=20)
    steps = pipeline(STEPS[1])
    config = Config(dict(model=model, test_pipeline=steps, default_scope='mmdet'))
    config.test_dataloader = dict(dataset=dict(pipeline=steps))
    config.dump(str(folder / 'config.py'))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = MODELS.build(config.model)
        disturb(network)
        with torch.no_grad():
            network.train()(noise(2))
    meta = dict(dataset_meta=dict(classes=('cat', 'dog', 'cow')))
    torch.save(dict(state_dict=network.state_dict(), meta=meta), folder / 'model.pth')
    image = np.random.default_rng(0).integers(256, size=(9, 14, 3), dtype=np.uint8)
    image = cv2.resize(image, (143, 97), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(folder / 'image.png'), image)
    return folder


@pytest.fixture
def tool(load_script):
    return load_script(ROOT / 'tools/deployment/export_onnx.py')


@pytest.fixture
def exported(tool, call_script, folder):
    """The file of that checkpoint, made once."""
    out = folder / 'out.onnx'
    if not out.exists():
        code, printed = call_script(tool, folder / 'config.py', folder / 'model.pth', out)
        assert code == 0, printed.err
        (folder / 'out.txt').write_text(printed.out)
    return out


@pytest.fixture
def example(load_script):
    return load_script(EXAMPLE)


def test_from_a_config_and_a_checkpoint_to_the_pipelines_detections(
    exported, example, load_script, folder
):
    import onnxruntime

    out, lines = exported, (folder / 'out.txt').read_text().splitlines()
    assert [line for line in lines if line.startswith(('1 x 256 x 256: ', '3 x 160 x 288: '))]
    assert lines[-1].startswith(f'{out}: ')

    session = onnxruntime.InferenceSession(out)
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about['classes']) == ['cat', 'dog', 'cow']
    assert [output.name for output in session.get_outputs()] == ['boxes', 'scores', 'labels']
    image = cv2.imread(str(folder / 'image.png'))
    found = example.detect(session, image)
    expected = predicted(folder)
    np.testing.assert_allclose(found['scores'], expected.scores, atol=1e-5)
    assert (expected.scores[:-1] - expected.scores[1:] > 1e-6).all()  # or else in any order
    np.testing.assert_array_equal(found['labels'], expected.labels)
    np.testing.assert_allclose(found['boxes'], expected.bboxes, atol=1e-2)
    assert found['boxes'].min() == 0  # cut at the image's border

    about = {name: json.loads(text) for name, text in about.items()}
    boxes, scores, labels = load_script(SHORT).detect(session, about, image)
    np.testing.assert_array_equal(scores, found['scores'])
    np.testing.assert_array_equal(labels, found['labels'])
    clipped = boxes.clip(0, np.float32(image.shape[1::-1] * 2))
    np.testing.assert_allclose(clipped, found['boxes'], atol=1e-4)

    # Nothing of ours nor torch is needed, and the programs print what is found.
    name, count = ('cat', 'dog', 'cow')[expected.labels[0]], int((expected.scores >= 0.3).sum())
    assert count > 0
    for program, line in (
        (EXAMPLE, f'image.png: {name} {expected.scores[0]:.3f} at '),
        (SHORT, f'image.png {name} {round(float(found["scores"][0]), 3)} ['),
    ):
        code = (
            f'import sys, runpy; sys.argv = {["", str(out), str(folder / "image.png")]!r}\n'
            f'runpy.run_path({str(program)!r}, run_name="__main__")\n'
            'for name in ("torch", "mmdet", "mmcv", "mmengine", "centernet_plugin", "onnx"):\n'
            '    assert name not in sys.modules, name\n'
        )
        command = [sys.executable, '-c', code]
        run = subprocess.run(command, capture_output=True, text=True, cwd=folder)
        assert run.returncode == 0, run.stderr
        assert len(run.stdout.splitlines()) == count and line in run.stdout


def predicted(folder):
    config = Config.fromfile(folder / 'config.py')
    model = MODELS.build(config.model)
    model.load_state_dict(torch.load(folder / 'model.pth')['state_dict'])
    model.cfg = config
    pipeline = Compose([TRANSFORMS.build(step) for step in config.test_pipeline])
    return inference_detector(model.eval(), str(folder / 'image.png'), pipeline).pred_instances


SHAPE = ['--shape', '2', '64', '96']  # the image, through the test pipeline


@pytest.mark.slow
@pytest.mark.parametrize(
    ('options', 'dtype', 'compared'),
    [
        (['--dtype', 'float16'], 'float16', 2),
        (['--int8', '.'], 'int8', 2),
        (['--int8', '.', *SHAPE], 'int8', 1),
        (['--raw-maps'], 'float32', 2),
        (['--grid-sample', *SHAPE], 'float32', 1),
        (['--no-check'], 'float32', 0),
    ],
    ids=lambda value: ' '.join(value) if isinstance(value, list) else None,
)
def test_options(tool, call_script, folder, options, dtype, compared):
    import onnx
    import onnxruntime

    out = folder / 'options.onnx'
    options = [str(folder) if option == '.' else option for option in options]
    code, printed = call_script(tool, folder / 'config.py', folder / 'model.pth', out, *options)
    assert code == 0, printed.err
    assert printed.out.count(': maps heatmap') == compared
    session = onnxruntime.InferenceSession(out)
    names = [output.name for output in session.get_outputs()]
    assert names == (
        ['heatmap', 'size', 'offset'] if '--raw-maps' in options else ['boxes', 'scores', 'labels']
    )
    assert json.loads(session.get_modelmeta().custom_metadata_map['dtype']) == dtype
    weights = {
        onnx.TensorProto.DataType.Name(w.data_type) for w in onnx.load(out).graph.initializer
    }
    assert weights & {'FLOAT16', 'INT8'} == ({dtype.upper()} if dtype != 'float32' else set())
    if '--shape' in options:
        assert session.get_inputs()[0].shape == [2, 3, 64, 96]
        assert session.get_outputs()[0].shape == [2, 20, 4]


@pytest.mark.slow
def test_int8_of_another_shape_than_the_pipelines(tool, call_script, folder):
    files = folder / 'config.py', folder / 'model.pth', folder / 'no.onnx'
    options = '--shape', '1', '96', '96', '--int8', folder
    code, printed = call_script(tool, *files, *options)
    assert code == 2 and 'the test pipeline makes one of 64 x 96' in printed.err
    assert not files[2].exists()


def test_what_is_kept_is_of_the_test_set(folder):
    """Not of a test_pipeline that nothing uses."""
    from centernet_plugin.deploy.program_metadata import placement

    config = Config.fromfile(folder / 'config.py')
    config.test_dataloader.dataset.pipeline[1] = STEPS[2]
    assert placement(config)['type'] == 'FixResAffine'


def test_a_bare_state_dict_has_the_names_of_the_test_set(folder, tmp_path):
    from centernet_plugin.deploy.loading import load_detector

    state = torch.load(folder / 'model.pth')['state_dict']
    torch.save(state, tmp_path / 'bare.pth')
    config = Config.fromfile(folder / 'config.py')
    assert load_detector(config, str(tmp_path / 'bare.pth'))[1] == ('0', '1', '2')
    config.test_dataloader.dataset.update(
        type='centernet_plugin.CocoDataset', metainfo=dict(classes=('x', 'y', 'z'))
    )
    assert load_detector(config, str(tmp_path / 'bare.pth'))[1] == ('x', 'y', 'z')


def test_the_examples_refuse_what_they_do_not_do(load_script, exported, folder, monkeypatch):
    """A network whose test suppresses, and one that is not fed as the short example feeds."""
    import onnx

    model = onnx.load(exported)
    about = {entry.key: entry.value for entry in model.metadata_props}
    resize = dict(type='Resize', scale=(64, 64), keep_ratio=False)
    changes = dict(nms=json.dumps(dict(type='nms')), resize=json.dumps(resize))
    onnx.helper.set_model_props(model, about | changes)
    onnx.save(model, folder / 'other.onnx')
    for script, sentence in ((EXAMPLE, 'suppresses'), (SHORT, 'this file needs onnx_infer.py')):
        command = [sys.executable, script, folder / 'other.onnx', folder / 'image.png']
        run = subprocess.run(command, capture_output=True, text=True)
        assert run.returncode == 1 and sentence in run.stderr and 'Traceback' not in run.stderr
    command = [sys.executable, EXAMPLE, exported, folder / 'no.png']
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 1 and "no.png' does not exist, or cannot be read" in run.stderr


def test_times_are_of_the_same_work(load_script, call_script, exported, folder):
    tool = load_script(ROOT / 'tools/deployment/benchmark_onnx.py')
    files = folder / 'config.py', folder / 'model.pth', exported
    code, printed = call_script(tool, *files, '--size', '64', '96', '--rounds', '2')
    assert code == 0, printed.err
    assert [line.split(' ms  ')[1] for line in printed.out.splitlines() if ' ms  ' in line] == [
        'PyTorch', 'PyTorch, accelerate', str(exported)
    ]  # fmt: skip
    code, printed = call_script(tool, *files, '--size', '64', '100')
    assert code == 2 and 'multiples of 32' in printed.err


def test_a_difference_beyond_the_tolerance_fails_and_writes_nothing(
    tool, call_script, folder, exported, monkeypatch
):
    from centernet_plugin.deploy import onnx_file

    copy = exported.read_bytes()
    monkeypatch.setattr(
        onnx_file, 'export_onnx', lambda graph, path, **options: write_maps(graph, path, copy)
    )
    args = (folder / 'config.py', folder / 'model.pth', folder / 'no.onnx', '--tolerance', '0')
    code, printed = call_script(tool, *args)
    assert code == 2 and "differ from PyTorch's by more than is allowed" in printed.err
    assert not (folder / 'no.onnx').exists()


def write_maps(graph, path, content):
    """The first test's file, with its maps as outputs again."""
    import onnx

    model = onnx.load_from_string(content)
    for name in ('heatmap', 'size', 'offset'):
        shape = ['batch', None, None, None]
        value = onnx.helper.make_tensor_value_info(f'raw.{name}', onnx.TensorProto.FLOAT, shape)
        model.graph.output.append(value)
    onnx.save(model, path)


def test_mistakes_are_sentences(tool, call_script, folder, tmp_path, monkeypatch):
    good = [folder / 'config.py', folder / 'model.pth', tmp_path / 'out.onnx']

    def error(*args):
        code, printed = call_script(tool, *args)
        assert code == 2 and printed.err.count('\n') == 1
        return printed.err

    assert "checkpoint 'no.pth' does not exist" in error(good[0], 'no.pth', good[2])
    assert "config 'no.py' does not exist" in error('no.py', *good[1:])
    assert "there is no folder 'no'" in error(*good[:2], 'no/out.onnx')
    assert 'is a folder; name the file' in error(*good[:2], tmp_path)
    assert 'are no multiples of 32' in error(*good, '--shape', '1', '64', '100')
    assert "there is no folder 'no' of images" in error(*good, '--int8', 'no')
    state = torch.load(good[1])['state_dict']
    state.pop('backbone.conv1.weight')
    torch.save(dict(state_dict=state), tmp_path / 'part.pth')
    message = error(good[0], tmp_path / 'part.pth', good[2])
    assert "'backbone.conv1.weight' is the first that does not" in message
    other = dict(type='mmdet.CenterNetHead', in_channels=8, feat_channels=8, num_classes=3)
    config = Config.fromfile(good[0])
    config.model.bbox_head = other
    config.model.train_cfg = config.model.test_cfg = None
    config.dump(str(tmp_path / 'other.py'))
    torch.save(dict(state_dict=MODELS.build(config.model).state_dict()), tmp_path / 'other.pth')
    message = error(tmp_path / 'other.py', tmp_path / 'other.pth', good[2])
    assert 'only detectors with centernet_plugin.CenterNetHead can be exported' in message
    from centernet_plugin.deploy import onnx_packages

    monkeypatch.setattr(
        onnx_packages, 'find_spec', lambda name: None if name != 'onnxscript' else builtins
    )
    message = error(*good)
    assert 'onnx and onnxruntime' in message and "pip install -e '.[deploy]'" in message
    assert not good[2].exists()


@pytest.mark.parametrize('step', STEPS, ids=lambda step: f'{list(step.values())}')
def test_images_are_placed_as_by_the_config(example, folder, step):
    from centernet_plugin.deploy.program_metadata import placement

    path = str(folder / 'image.png')
    packed = Compose([TRANSFORMS.build(s) for s in pipeline(step)])(dict(img_path=path, img_id=0))
    resize = json.loads(json.dumps(placement(Config(dict(test_pipeline=pipeline(step))))))
    image, scale, shift = example.place(cv2.imread(path), resize)
    np.testing.assert_array_equal(image.transpose(2, 0, 1), packed['inputs'])
    meta = packed['data_samples'].metainfo
    np.testing.assert_allclose(scale, meta['scale_factor'], rtol=1e-6)
    left, top = (meta['border'][2], meta['border'][0]) if 'border' in meta else (0, 0)
    np.testing.assert_allclose(shift, [left, top], atol=1e-5)
