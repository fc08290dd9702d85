"""The files of results: complete, in their places, and never over what they are made of."""

import json

import cv2
import numpy as np
import pytest
from moving_square import picture, read_video

from centernet_plugin.apis import Frame
from centernet_plugin.apis.image_writer import ImageWriter
from centernet_plugin.apis.video_writer import VideoWriter
from centernet_plugin.errors import UserInputError


@pytest.mark.parametrize(
    ('source', 'name', 'file'),
    [
        ('x/a.png', 'a', 'a.png'),
        ('x/a.png', 'a.png', 'a.png'),
        ('x/deep/a.png', 'deep/a', 'deep/a.png'),
        ('http://host/photo.JPG?size=3', 'photo', 'photo.JPG'),
        ('http://host/photo', 'photo', 'photo.jpg'),
        ('x/x.jpg.jpg', 'x.jpg', 'x.jpg.jpg'),
        ('x/what?.png', 'what?', 'what?.png'),
    ],
)
def test_an_image(tmp_path, source, name, file):
    writer = ImageWriter(tmp_path)
    writer.write(Frame(source, name), dict(scores=[0.5]), picture(0))
    writer.close()
    assert json.loads((tmp_path / f'preds/{name}.json').read_text()) == dict(scores=[0.5])
    assert cv2.imread(str(tmp_path / 'vis' / file)).shape == (48, 64, 3)
    assert len([p for p in tmp_path.rglob('*') if p.is_file()]) == 2, 'nothing else'


def test_no_picture(tmp_path):
    ImageWriter(tmp_path).write(Frame('a.png', 'a'), {}, None)
    writer = VideoWriter(tmp_path, 'clip', 10)
    writer.write(Frame('clip.avi', 'clip', number=0, time=0.0), {}, None)
    writer.close()
    assert not (tmp_path / 'vis').exists() and len(list((tmp_path / 'preds').iterdir())) == 2


def test_a_video_keeps_its_time_where_frames_are_missing(tmp_path):
    writer = VideoWriter(tmp_path, 'clip', fps=10)
    for number in (0, 1, 4):
        frame = Frame('clip.avi', 'clip', number=number, time=number / 10)
        writer.write(frame, dict(scores=[number]), picture(8 * number))
    lines = (tmp_path / 'preds/clip.jsonl').read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        dict(frame=number, time=number / 10, fps=10, scores=[number]) for number in (0, 1, 4)
    ], 'before it is closed'
    writer.close()
    images = read_video(tmp_path / 'vis/clip.mp4')
    shown = [(round(image[-1, -1].mean()) - 20) / 40 for image in images]
    np.testing.assert_allclose(shown, [0, 1, 1, 1, 4], atol=0.2)


@pytest.mark.parametrize(
    ('times', 'expected'),
    [
        ((0.0, 0.31, 0.8), [0, 0, 0, 1, 1, 1, 1, 1, 2]),
        ((0.0, 0.03, 0.1, 0.12, 0.14, 0.3), [0, 2, 4, 5]),
    ],
    ids=['slower than the mp4', 'faster'],
)
def test_a_camera_s_video_plays_as_fast_as_it_was_taken(tmp_path, times, expected):
    writer = VideoWriter(tmp_path, 'camera0', fps=10, live=True)
    for number, seconds in enumerate(times):
        frame = Frame('camera 0', 'camera0', number=number, time=seconds)
        writer.write(frame, {}, picture(8 * number))
    writer.close()
    images = read_video(tmp_path / 'vis/camera0.mp4')
    shown = [(round(image[-1, -1].mean()) - 20) / 40 for image in images]
    np.testing.assert_allclose(shown, expected, atol=0.2)
    assert len((tmp_path / 'preds/camera0.jsonl').read_text().splitlines()) == len(times)


def test_frames_of_other_sizes(tmp_path):
    """An mp4 of OpenCV has even sizes."""
    writer = VideoWriter(tmp_path, 'clip', fps=10)
    for number, size in enumerate(((47, 63), (20, 30), (47, 63))):
        frame = Frame('rtsp://host', 'clip', number=number, time=0.0)
        writer.write(frame, {}, picture(0, *size))
    writer.close()
    assert [image.shape for image in read_video(tmp_path / 'vis/clip.mp4')] == [(46, 62, 3)] * 3


def test_nothing_is_written_over_what_it_is_made_of(tmp_path):
    path = tmp_path / 'vis/a.png'
    path.parent.mkdir()
    cv2.imwrite(str(path), picture(0))
    before = path.read_bytes()
    with pytest.raises(UserInputError, match='written over what it is made of'):
        ImageWriter(tmp_path).write(Frame(str(path), 'a'), {}, picture(1))
    assert path.read_bytes() == before


def test_no_place_to_write_to(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(UserInputError, match="folder '.*file/preds' cannot be made"):
        ImageWriter(tmp_path / 'file').write(Frame('a.png', 'a'), {}, None)
