"""The script that detects on anything: its command line, its exit codes, its document."""

import argparse
import functools
import http.server
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from centernet_plugin.apis import Frame, find_sources
from centernet_plugin.visualization.detections import draw_detections

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / 'tests'))
from moving_square import FakeCamera, picture, read_video, write_video  # noqa: E402

DOCUMENT = ROOT / 'docs/inference.md'
CONFIG = """
_base_ = '{root}/configs/centernet/centernet_r18_1xb16-demo_synthetic.py'
model = dict(
    backbone=dict(base_channels=8, stem_channels=8),
    neck=dict(in_channels=64, deconv_channels=(16, 16)),
    bbox_head=dict(in_channels=16, feat_channels=16),
    test_cfg=dict(max_per_img=5),
)
"""


@pytest.fixture(scope='module')
def script(load_script):
    return load_script(ROOT / 'tools/infer.py')


@pytest.fixture(scope='module')
def detector(tmp_path_factory):
    """Paths of a config and a checkpoint."""
    folder = tmp_path_factory.mktemp('detector')
    config, checkpoint = folder / 'narrow.py', folder / 'narrow.pth'
    config.write_text(CONFIG.format(root=ROOT))
    init_default_scope('mmdet')
    model = MODELS.build(Config.fromfile(config).model)
    meta = dict(dataset_meta=dict(classes=('disc', 'box', 'star')))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), checkpoint)
    return config, checkpoint


@pytest.fixture
def infer(script, detector, call_script, monkeypatch):
    """Calls the script with an input and options; gives its exit code and what it printed."""
    monkeypatch.setattr(
        script, 'find_sources', functools.partial(find_sources, open_capture=open_capture)
    )

    def call(*args):
        return call_script(script, args[0], *detector, '--device', 'cpu', *args[1:])

    return call


def open_capture(source):
    if isinstance(source, int):
        return FakeCamera([picture(i % 20) for i in range(1000)])
    return cv2.VideoCapture(source)


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'photos/deep').mkdir(parents=True)
    for i, name in enumerate(('photo.jpg', 'photos/a.png', 'photos/deep/c.png')):
        cv2.imwrite(name, picture(i))
    write_video('clip.avi', 4)
    (tmp_path / 'list.txt').write_text('photo.jpg\nphotos/a.png\n')
    return tmp_path


def commands():
    """Of the document: the arguments of the script, line by line."""
    for block in re.findall(r'```shell\n(.*?)```', DOCUMENT.read_text(), re.DOTALL):
        for line in block.splitlines():
            program, path, *args = shlex.split(line, comments=True)
            assert (program, path) == ('python', 'tools/infer.py')
            yield args


EXPECTED = [  # files, in the order of the document
    {'photo'},
    {'a'},
    {'a', 'deep/c'},
    {'a', 'deep/c'},
    {'photo', 'clip'},
    {'photo', 'a'},
    {'photo'},
    {'clip'},
    {'camera0'},
]


@pytest.mark.parametrize(('args', 'expected'), zip(commands(), EXPECTED, strict=True))
def test_commands_of_the_document(script, detector, call_script, infer, files, args, expected):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(files))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        placed = {'CONFIG': detector[0], 'CHECKPOINT': detector[1], '300': '30'}
        address = f'127.0.0.1:{served.server_port}'
        args = [str(placed.get(arg, arg)).replace('localhost:8000', address) for arg in args]
        code, printed = call_script(script, *args, '--device', 'cpu')
        served.shutdown()
    assert code == 0, printed.err
    out = files / (args[args.index('--out-dir') + 1] if '--out-dir' in args else 'out')
    preds = {p.relative_to(out / 'preds').with_suffix('').as_posix() for p in out.rglob('*.json*')}
    assert preds == expected
    drawn = {
        p.relative_to(out / 'vis').with_suffix('').as_posix()
        for p in out.glob('vis/**/*')
        if p.is_file()
    }
    assert drawn == (set() if '--no-pictures' in args else expected)
    assert re.search(r'\d+ images, \d+\.\d images/s: .*json in \w+/preds', printed.out)


def test_python_of_the_document(detector, files, capsys):
    (program,) = re.findall(r'```python\n(.*?)```', DOCUMENT.read_text(), re.DOTALL)
    exec(program, dict(config=str(detector[0]), checkpoint=str(detector[1])))
    assert (files / 'out/vis/clip.mp4').is_file() and (files / 'out/preds/a.json').is_file()
    assert re.search(r'^3 0\.3', capsys.readouterr().out, re.MULTILINE)


def test_skipping_ends_with_1(files, infer):
    (files / 'photos/b.png').write_bytes(b'no image')
    code, printed = infer('photos')
    assert code == 1
    assert "skipped: image 'photos/b.png' is not readable as an image" in printed.err
    assert '1 images, 1 skipped, ' in printed.out


def test_a_second_run_does_not_detect_on_the_results_of_the_first(files, infer):
    for _ in range(2):
        code, printed = infer('.', '--recursive')
        assert code == 0 and '\n7 images, ' in printed.out  # 3, and 4 frames of the video


def test_the_view_from_above_has_what_the_picture_has(tmp_path, script, monkeypatch):
    drawn = []
    monkeypatch.setattr(script, 'draw_birds_eye', lambda *args: drawn.extend(args[3]) or picture(0))
    space = dict.fromkeys(('locations', 'dimensions', 'rotations_y'), [[0.0] * 3] * 3)
    found = dict(space, scores=[0.9, 0.5, 0.4], labels=[2, 1, 0])
    args = argparse.Namespace(out_dir=tmp_path, score_thr=0.5)
    script.draw_from_above(Frame('a.png', 'a'), found, ('x', 'y', 'z'), args)
    sample = DetDataSample(
        pred_instances=InstanceData(
            bboxes=torch.tensor([[1.0, 1, 40, 40]] * 3),
            scores=torch.tensor(found['scores']),
            labels=torch.tensor(found['labels']),
        )
    )
    only = DetDataSample(pred_instances=sample.pred_instances[:1])
    pictures = [draw_detections(picture(0), s, {}, score_thr=0.5) for s in (sample, only)]
    assert drawn == [2] and (pictures[0] == pictures[1]).all()


@pytest.mark.parametrize(
    ('args', 'sentence'),
    [
        (['gone.jpg'], "error: image or folder 'gone.jpg' does not exist"),
        (['bad.jpg'], "error: image 'bad.jpg' is not readable as an image"),
        (['photo.jpg', '--show'], 'error: --show needs a display, and there is none'),
        (['0', '--max-frames', '0'], 'error: a video needs at least 1 frame'),
    ],
)
def test_mistakes_end_with_2(files, infer, monkeypatch, args, sentence):
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    (files / 'bad.jpg').write_bytes(b'no image')
    code, printed = infer(*args)
    assert code == 2 and sentence in printed.err and ' images' not in printed.out


@pytest.mark.door
def test_ctrl_c_keeps_what_is_done(files, detector):
    """In a process of its own, amid a video that would take minutes."""
    write_video('long.avi', 4000)
    command = [sys.executable, ROOT / 'tools/infer.py', 'long.avi', *detector, '--device', 'cpu']
    process = subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, 'CUDA_VISIBLE_DEVICES': '-1'},
        # A shell's background jobs, and what they start, ignore interrupts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    lines = files / 'out/preds/long.jsonl'
    try:
        deadline = time.monotonic() + 120
        while not (lines.exists() and lines.read_bytes().count(b'\n') >= 5):
            assert time.monotonic() < deadline and process.poll() is None, 'no frames'
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, errors[-3000:]
    assert 'Interrupted.' in errors and 'Traceback' not in errors
    found = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [line['frame'] for line in found] == list(range(len(found)))
    assert 5 <= len(found) < 4000
    assert abs(len(read_video('out/vis/long.mp4')) - len(found)) <= 1
    assert re.search(rf'{len(found)} images, \d+\.\d images/s', printed)
