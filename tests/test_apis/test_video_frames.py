"""Frames of videos and cameras: their numbers, their times, and what is not readable."""

import numpy as np
import pytest
from moving_square import FakeCamera, picture, spoil, write_video

from centernet_plugin.apis.video import Video


def test_frames_with_numbers_and_times(files):
    frames = list(Video('clip.avi', 'clip'))
    assert [frame.number for frame in frames] == list(range(7))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(7) / 10, atol=1e-6)
    for i, frame in enumerate(frames):
        assert (frame.source, frame.name, frame.error) == ('clip.avi', 'clip', '')
        assert abs(frame.image.astype(int) - picture(i)).mean() < 3
    assert list(Video('clip.avi', 'clip'))[-1].number == 6, 'a second time'


def test_a_frame_that_is_not_readable_is_one_of_its_own(files):
    spoil(files / 'clip.avi', 4)
    frames = list(Video('clip.avi', 'clip'))
    assert [frame.number for frame in frames] == list(range(7))
    assert [frame.number for frame in frames if frame.image is None] == [4]
    assert f'{frames[4].where} {frames[4].error}' == "'clip.avi', frame 4 is not readable"
    assert frames[5].time == pytest.approx(0.5)
    assert abs(frames[5].image.astype(int) - picture(5)).mean() < 3


def test_a_video_that_ends_too_early(files):
    write_video('long.avi', 60)
    for i in range(40, 60):
        spoil(files / 'long.avi', i)
    *frames, last = Video('long.avi', 'long')
    assert [frame.number for frame in frames] == list(range(40))
    assert all(frame.image is not None for frame in frames)
    assert f'{last.where} {last.error}' == "'long.avi', frame 40 ends here, 20 frames too early"


def test_no_video(files):
    (files / 'text.avi').write_text('no video')
    (frame,) = Video('text.avi', 'text')
    assert frame.image is None and frame.error == 'is not readable as a video'
    (frame,) = Video('clip.avi', 'clip', open_capture=FakeCamera())
    assert frame.error == 'has no frame that is readable'


def test_no_more_frames_than_wanted(files):
    video = Video('clip.avi', 'clip', max_frames=3)
    assert video.total == 3 and [frame.number for frame in video] == [0, 1, 2]
    assert Video('clip.avi', 'clip', max_frames=30).total == 7


def test_a_camera_is_read_until_it_gives_nothing():
    pictures = [picture(0), picture(1), None, picture(3)]
    camera = FakeCamera(pictures)
    frames = list(Video(0, 'camera0', open_capture=camera))
    assert [frame.number for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.image is None for frame in frames] == [False, False, True, False, True]
    assert frames[-1].error == 'gives no more pictures'
    times = [frame.time for frame in frames if frame.time is not None]
    assert times == sorted(times) and 0 <= times[0] < times[-1] < 1
    assert camera.released == 2, 'after looking, and after reading'


@pytest.mark.parametrize('fps', [0.0, float('nan'), 90000.0])
def test_a_camera_that_does_not_know_how_fast_it_is(fps):
    assert Video(0, 'camera0', open_capture=FakeCamera(fps=fps)).fps == 25


def test_a_camera_is_released_by_who_stops_reading():
    camera = FakeCamera([picture(i) for i in range(9)])
    frames = iter(Video(0, 'camera0', open_capture=camera))
    next(frames)
    frames.close()
    assert camera.released == 2
