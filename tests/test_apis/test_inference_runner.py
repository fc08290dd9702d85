"""From sources to files: the detections of mmdet's inferencer, whatever is in the way."""

import copy
import functools
import http.server
import itertools
import json
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from moving_square import CLASSES, FakeCamera, picture, read_video, spoil, write_video

from centernet_plugin.apis import CenterNetInferencer, InferenceRunner, detect, find_sources
from centernet_plugin.apis import detections as detections_module
from centernet_plugin.apis import inference_runner as runner_module
from centernet_plugin.apis.detections import decoder
from centernet_plugin.apis.video_writer import VideoWriter
from centernet_plugin.engine.test_modes import use_mode, use_tta
from centernet_plugin.errors import UserInputError

pytestmark = pytest.mark.usefixtures('files')


@pytest.fixture
def server(files):
    """Serves the folder; gives its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(files))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{served.server_port}'
        served.shutdown()


def lines(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


def load(path):
    with open(path) as file:
        return json.load(file)


def assert_same(found, expected):
    assert found['label_names'] == [CLASSES[label] for label in expected['labels']]
    assert found['labels'] == expected['labels']
    for name in ('scores', 'bboxes'):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize('batch_size', [1, 2, 8])
def test_images_as_the_inferencer_s_own(infer, make, batch_size):
    run = make(batch_size=batch_size, visualizer=True)
    run(find_sources(['photos'], recursive=True))
    assert (run.done, run.skipped) == (3, 0) and run.rate.endswith('images/s')
    for name in ('a', 'b', 'deep/c'):
        path = f'photos/{name}.png'
        expected = infer(path, return_vis=True, pred_score_thr=0.0)
        assert_same(load(f'out/preds/{name}.json'), expected['predictions'][0])
        drawn = cv2.imread(f'out/vis/{name}.png')
        if batch_size == 1:
            np.testing.assert_array_equal(drawn[..., ::-1], expected['visualization'][0])
        assert (drawn != cv2.imread(path)).any()


@pytest.mark.parametrize('batch_size', [1, 3])
def test_a_video_frame_by_frame(infer, make, batch_size):
    make(batch_size=batch_size)(find_sources(['clip.avi']))
    found, images = lines('out/preds/clip.jsonl'), read_video('clip.avi')
    assert [line['frame'] for line in found] == list(range(7))
    np.testing.assert_allclose([line['time'] for line in found], np.arange(7) / 10, atol=1e-6)
    for line, image in zip(found, images, strict=True):
        assert_same(line, infer(image)['predictions'][0])
    capture = cv2.VideoCapture('out/vis/clip.mp4')
    assert capture.get(cv2.CAP_PROP_FPS) == 10 and len(read_video('out/vis/clip.mp4')) == 7


def test_detections_differ_from_frame_to_frame(infer):
    """Else the tests above would say nothing about the order."""
    (source,) = find_sources(['clip.avi'])
    found = [sample.pred_instances for _, sample in detect(infer, source)]
    for one, other in itertools.combinations(found, 2):
        assert (one.bboxes - other.bboxes).abs().max() > 0.1


def test_a_camera(make):
    camera = FakeCamera([picture(i) for i in range(50)], fps=1000.0)
    run = make(batch_size=2)
    run(find_sources(['0'], open_capture=camera, max_frames=5))
    assert run.done == len(lines('out/preds/camera0.jsonl')) == 5
    assert read_video('out/vis/camera0.mp4')
    assert camera.released == 2


def test_results_say_what_they_are_of(files, make):
    camera = FakeCamera([picture(0)])
    (files / 'photos/deep/c.png').rename('photos/deep/a.png')
    run = make(pictures=False)
    run(find_sources(['photos/a.png', 'photos/deep/a.png', 'clip.avi']))
    run(find_sources(['rtsp://user:secret@host/s.mp4'], open_capture=camera))
    of = dict(width=64, height=48)
    expected = {'a.json': 'photos/a.png', 'a_2.json': 'photos/deep/a.png'}
    for name, source in expected.items():
        assert load(f'out/preds/{name}').items() >= dict(of, source=source).items()
    (found,) = lines('out/preds/s.jsonl')
    assert found.items() >= dict(of, source='rtsp://host/s.mp4', fps=30.0).items(), 'no password'
    for found in lines('out/preds/clip.jsonl'):
        assert found.items() >= dict(of, source='clip.avi', fps=10.0).items()


def test_json_only(make):
    make(pictures=False)(find_sources(['photos', 'clip.avi']))
    assert not Path('out/vis').exists()
    assert len(lines('out/preds/clip.jsonl')) == 7 and load('out/preds/a.json')


# What cannot be read


def test_what_cannot_be_read_is_skipped_and_counted(files, make, console):
    (files / 'photos/a2.png').write_bytes(b'no image')
    (files / 'photos/a3.png').write_bytes(b'')
    (files / 'photos/x.avi').write_text('no video')
    spoil(files / 'clip.avi', 2)
    run = make(batch_size=2)
    run(find_sources(['photos', 'clip.avi']))
    assert (run.done, run.skipped) == (2 + 6, 4)
    said = console.file.getvalue().splitlines()
    assert [line for line in said if line.startswith('skipped: ')] == [
        "skipped: image 'photos/a2.png' is not readable as an image",
        "skipped: image 'photos/a3.png' is empty",
        "skipped: video 'photos/x.avi' is not readable as a video",
        "skipped: video 'clip.avi', frame 2 is not readable",
    ]
    assert [line['frame'] for line in lines('out/preds/clip.jsonl')] == [0, 1, 3, 4, 5, 6]
    assert len(read_video('out/vis/clip.mp4')) == 7, 'the frame before is shown instead'


def test_nothing_at_all_is_a_mistake(files, make):
    (files / 'broken.jpg').write_bytes(b'no image')
    with pytest.raises(UserInputError, match="image 'broken.jpg' is not readable as an image"):
        make()(find_sources(['broken.jpg']))


def test_an_image_too_thin_for_the_pipeline_is_skipped(files, make, console):
    cv2.imwrite('photos/a2.png', np.zeros((1, 2000, 3), np.uint8))
    run = make(batch_size=2)
    run(find_sources(['photos']))
    assert (run.done, run.skipped) == (2, 1) and load('out/preds/b.json')
    said = "skipped: image 'photos/a2.png' does not go through the test pipeline: inv_scale_x > 0"
    assert said in console.file.getvalue()


def test_errors_of_the_program_are_not_hidden(infer, make, monkeypatch):
    """An image that is readable, but a pipeline that is not right."""
    broken = [*infer.pipeline.transforms, lambda results: results['nowhere']]
    monkeypatch.setattr(infer.pipeline, 'transforms', broken)
    with pytest.raises(KeyError, match='nowhere') as raised:
        make()(find_sources(['photos']))
    if sys.version_info >= (3, 11):
        assert "with 'photos/a.png'" in raised.value.__notes__[0]


def test_ctrl_c_keeps_what_is_done(make, monkeypatch):
    writers = []  # held here, so that it is not only their end that closes the files

    def build(*args):
        writers.append(VideoWriter(*args))
        return writers[-1]

    monkeypatch.setattr(runner_module, 'VideoWriter', build)

    def interrupt(frame, found):
        if frame.number == 3:
            raise KeyboardInterrupt

    write_video('long.avi', 60)
    run = make(batch_size=2, on_result=interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(find_sources(['photos', 'long.avi']))
    assert len(lines('out/preds/long.jsonl')) == len(read_video('out/vis/long.mp4')) == 4
    assert load('out/preds/a.json') and run.done == 2 + 3 and run.rate
    assert all(thread.name != 'read ahead' for thread in threading.enumerate())


# Addresses


def test_addresses_of_images(files, make, server, console):
    names = ('photos/a.png?size=3', 'photos/b.png', 'gone.png')
    (files / 'list.txt').write_text('\n'.join(f'{server}/{name}' for name in names))
    run = make(batch_size=2)
    run(find_sources(['list.txt']))
    assert (run.done, run.skipped) == (2, 1)
    assert '404' in console.file.getvalue()
    for name in 'ab':
        assert_same(
            load(f'out/preds/{name}.json'), run.infer(f'photos/{name}.png')['predictions'][0]
        )
        assert cv2.imread(f'out/vis/{name}.png') is not None


def test_a_server_that_is_not_there(make):
    with pytest.raises(UserInputError, match=r"image 'http://127.0.0.1:9/a.jpg' is not readable"):
        make()(find_sources(['http://127.0.0.1:9/a.jpg']))


# Settings of the config


@pytest.mark.parametrize('change', [use_tta, functools.partial(use_mode, mode='flip')])
def test_augmented(config, checkpoint, infer, console, change):
    config = copy.deepcopy(config)
    change(config)
    augmented = CenterNetInferencer(config, checkpoint, device='cpu')
    run = InferenceRunner(augmented, 'out', batch_size=2, console=console)
    run(find_sources(['clip.avi']))
    found = lines('out/preds/clip.jsonl')
    plain = infer(read_video('clip.avi')[0])['predictions'][0]
    assert len(found) == 7 and len(found[0]['scores']) == 5
    assert abs(found[0]['scores'][0] - plain['scores'][0]) > 1e-4


@pytest.mark.parametrize('bare', [True, False])
def test_class_names_of_the_config_where_the_checkpoint_has_none(
    config, checkpoint, tmp_path, bare, recwarn
):
    state = torch.load(checkpoint, weights_only=True)['state_dict']
    torch.save(state if bare else dict(state_dict=state), tmp_path / 'bare.pth')
    infer = CenterNetInferencer(config, str(tmp_path / 'bare.pth'), device='cpu')
    assert tuple(infer.model.dataset_meta['classes']) == CLASSES
    assert not [w for w in recwarn if 'COCO classes' in str(w.message)]
    for name, value in infer.model.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_class_names_of_the_checkpoint_come_first(config, checkpoint, tmp_path):
    content = torch.load(checkpoint, weights_only=True)
    content['meta']['dataset_meta']['classes'] = ('x', 'y', 'z')
    torch.save(content, tmp_path / 'named.pth')
    infer = CenterNetInferencer(config, str(tmp_path / 'named.pth'), device='cpu')
    assert tuple(infer.model.dataset_meta['classes']) == ('x', 'y', 'z')


def test_classes_without_a_name_are_numbers(make, infer, monkeypatch):
    monkeypatch.setitem(infer.model.dataset_meta, 'classes', ())
    make()(find_sources(['photos']))
    found = load('out/preds/a.json')
    assert found['label_names'] == [str(label) for label in found['labels']]


def test_images_are_decoded_as_the_config_says(config, checkpoint):
    config = copy.deepcopy(config)
    config.test_dataloader.dataset.pipeline[0].update(
        imdecode_backend='pillow', color_type='grayscale'
    )
    infer = CenterNetInferencer(config, checkpoint, device='cpu')
    with open('photos/a.png', 'rb') as file:
        assert decoder(infer)(file.read()).shape == (48, 64)


def test_detect_decodes_as_the_config_says(infer, monkeypatch):
    decoded = []

    def decode(content):
        decoded.append(content)
        return picture(0)

    monkeypatch.setattr(detections_module, 'decoder', lambda infer: decode)
    (source,) = find_sources(['photos'])
    assert all(sample is not None for _, sample in detect(infer, source)) and len(decoded) == 2


def test_the_camera_of_an_image_reaches_the_pipeline(infer, monkeypatch):
    cameras = []

    def look(results):
        cameras.append(results['cam2img'])
        return results if len(cameras) == 1 else None

    monkeypatch.setattr(infer.pipeline, 'transforms', [*infer.pipeline.transforms[:1], look])
    monkeypatch.setattr(infer, 'collate_fn', list)
    monkeypatch.setattr(infer, 'forward', list)
    (source,) = find_sources(['photos'])
    camera = {'photos/a.png': np.eye(3, 4), 'photos/b.png': np.ones((3, 4))}
    results = list(detect(infer, source, cam2img=lambda frame: camera[frame.source]))
    np.testing.assert_array_equal(cameras, list(camera.values()))
    assert results[1][1] is None and results[1][0].error == 'is left out by the test pipeline'


# Drawing


def test_pictures_by_opencv_or_by_the_visualizer(make, infer, monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError

    with monkeypatch.context() as patch:
        patch.setattr(infer, 'visualize', fail)
        make()(find_sources(['photos']))
    quick = cv2.imread('out/vis/a.png')
    monkeypatch.setattr(runner_module, 'draw_detections', fail)
    make(visualizer=True)(find_sources(['photos']))
    slow, plain = cv2.imread('out/vis/a.png'), cv2.imread('photos/a.png')
    assert (quick != slow).any()
    for drawn in (quick, slow):
        assert (drawn != plain).any(axis=2).sum() > 20
