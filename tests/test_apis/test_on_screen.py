"""What is shown while it is detected: pictures in a window, and how far it is."""

import io
from pathlib import Path

import cv2
import pytest
from rich.console import Console

from centernet_plugin.apis import find_sources
from centernet_plugin.apis import inference_runner as runner_module
from centernet_plugin.apis.inference_progress import InferenceProgress
from centernet_plugin.errors import UserInputError

pytestmark = pytest.mark.usefixtures('files')


@pytest.fixture
def window(monkeypatch):
    """Stands in for OpenCV's; ``keys`` are pressed one after the other, then it is closed."""

    class Window:
        def __init__(self):
            self.shown, self.waits, self.keys, self.visible = [], [], [], 1.0

        def wait(self, milliseconds):
            self.waits.append(milliseconds)
            if self.keys:
                return self.keys.pop(0)
            self.visible = -1.0  # as OpenCV says it
            return -1

    window = Window()
    monkeypatch.setenv('DISPLAY', ':0')
    monkeypatch.setattr(cv2, 'namedWindow', lambda *args: None)
    monkeypatch.setattr(cv2, 'imshow', lambda name, image: window.shown.append(image))
    monkeypatch.setattr(cv2, 'waitKey', window.wait)
    monkeypatch.setattr(cv2, 'getWindowProperty', lambda *args: window.visible)
    return window


def test_shows_until_a_key_is_pressed(make, window):
    window.keys[:] = [-1, -1, 32, 32, -1, -1, ord('q')]
    run = make(show=True)
    run(find_sources(['photos', 'clip.avi', 'photos']))
    assert len(window.shown) == run.done == 5 and window.shown[0].shape == (48, 64, 3)
    assert window.waits == [50, 50, 50, 50, 1, 1, 1], 'images are waited on, frames are not'
    assert len(Path('out/preds/clip.jsonl').read_text().splitlines()) == 3


@pytest.mark.parametrize('source', ['photos', 'clip.avi'])
def test_closing_the_window_is_the_end(make, window, source):
    window.keys[:] = [-1]
    run = make(show=True)
    run(find_sources([source]))
    assert run.done == len(window.shown) == len(window.waits) - (source == 'photos')
    assert run.done < 7


def test_no_window_unless_wanted(make, monkeypatch):
    def fail(*args):
        raise AssertionError

    for name in ('namedWindow', 'imshow', 'waitKey'):
        monkeypatch.setattr(cv2, name, fail)
    make()(find_sources(['photos']))


def test_a_window_that_cannot_be_opened(make, monkeypatch):
    monkeypatch.setattr(runner_module.sys, 'platform', 'linux')
    for name in ('DISPLAY', 'WAYLAND_DISPLAY'):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserInputError, match='--show needs a display'):
        make(show=True)
    monkeypatch.setenv('DISPLAY', ':0')

    def headless(*args):
        raise cv2.error('The function is not implemented')

    monkeypatch.setattr(cv2, 'namedWindow', headless)
    with pytest.raises(UserInputError, match='not opencv-python-headless'):
        make(show=True)


@pytest.mark.parametrize('terminal', [True, False])
def test_progress(terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with InferenceProgress(console, 3, pause=0.0) as progress:
        for _ in range(3):
            progress.advance()
        progress.say("skipped: image 'a[b].jpg'")
    said = console.file.getvalue()
    assert "skipped: image 'a[b].jpg'" in said, 'no markup of rich'
    assert ('3/3' in said) == terminal
    assert ('2 of 3 images, ' in said) != terminal


def test_progress_where_nobody_knows_the_end():
    console = Console(file=io.StringIO(), width=100)
    with InferenceProgress(console, None, pause=0.0) as progress:
        progress.advance()
    assert console.file.getvalue().startswith('1 images, ')
