"""Images by path and by address: what is read, and why some are not."""

import http.server
import threading

import cv2
import pytest
from moving_square import picture

from centernet_plugin.apis import frames
from centernet_plugin.apis.frames import file_name, read_image

PNG = cv2.imencode('.png', picture(0))[1].tobytes()


@pytest.fixture
def server():
    """Serves ``PNG``, well or not, depending on the path; gives its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):  # noqa: N802
            self.send_response(200 if self.path in PATHS else 404)
            kind, length = PATHS.get(self.path, ('text/plain', 0))
            self.send_header('Content-Type', kind)
            if length is not None:
                self.send_header('Content-Length', str(length))
            self.end_headers()
            self.wfile.write(PNG)

    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as served:
        threading.Thread(target=served.serve_forever, args=(0.01,), daemon=True).start()
        yield f'http://127.0.0.1:{served.server_port}'
        served.shutdown()


PATHS = {  # content type, content length
    '/a.png': ('image/png', len(PNG)),
    '/no_length': ('application/octet-stream', None),
    '/a%20b/%C3%BC.png?x=1&y=%20': ('image/png', len(PNG)),
    '/short.png': ('image/png', len(PNG) + 1),
    '/stream': ('multipart/x-mixed-replace; boundary=frame', None),
    '/clip': ('video/mp4', None),
}


@pytest.mark.parametrize(
    'path', ['a.png', 'no_length', 'a b/ü.png?x=1&y=%20', 'a%20b/%C3%BC.png?x=1&y= ']
)
def test_an_address(server, path):
    image, error = read_image(f'{server}/{path}')
    assert error == '' and (image == picture(0)).all()


@pytest.mark.parametrize(
    ('path', 'reason'),
    [
        ('stream', 'it is a stream or a video (multipart/x-mixed-replace), not an image'),
        ('clip', 'it is a stream or a video (video/mp4), not an image'),
        ('short.png', f'IncompleteRead({len(PNG)} bytes read, 1 more expected)'),
        ('gone.png', 'HTTP Error 404: Not Found'),
    ],
)
def test_an_address_that_gives_no_image(server, path, reason):
    assert read_image(f'{server}/{path}') == (None, f'is not readable: {reason}')


@pytest.mark.parametrize('path', ['a.png', 'no_length'])
def test_a_server_that_sends_too_much(server, monkeypatch, path):
    monkeypatch.setattr(frames, 'LARGEST', len(PNG) - 1)
    image, error = read_image(f'{server}/{path}')
    assert image is None and f'more than {len(PNG) - 1} bytes; download it' in error


def test_storage_that_is_not_there():
    assert read_image('foo://b/a.png') == (
        None,
        "is not readable: mmengine has no file backend for 'foo'",
    )
    image, error = read_image('s3://b/a.png')
    assert image is None and 'petrel' in error


@pytest.mark.parametrize(
    ('path', 'name'),
    [
        ('x/what?.png', 'what?.png'),
        ('http://host/deep/a%20b.png?size=3#top', 'a b.png'),
        ('rtsp://host', ''),
    ],
)
def test_names_of_files(path, name):
    assert file_name(path) == name
