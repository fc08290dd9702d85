"""Generated pictures, videos and cameras."""

import struct
from pathlib import Path

import cv2
import numpy as np

CLASSES = ('disc', 'box', 'star')
HEIGHT, WIDTH = 48, 64


def picture(i: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A grey image, brighter from picture to picture, with a square that moves."""
    image = np.full((height, width, 3), 20 + 5 * (i % 47), np.uint8)
    cv2.rectangle(image, (2 * i, 8), (2 * i + 15, 30), (40, 80, 250), -1)
    return image


class FakeCamera:
    """What ``cv2.VideoCapture`` is to us: gives pictures, None being one that is not readable."""

    def __init__(self, pictures=(), fps=30.0, opened=True):
        self.pictures, self.fps, self.opened = list(pictures), fps, opened
        self.released = 0

    def __call__(self, source):
        self.source = source
        return self

    def isOpened(self):  # noqa: N802
        return self.opened

    def get(self, key):
        return {cv2.CAP_PROP_FPS: self.fps, cv2.CAP_PROP_FRAME_COUNT: -1.0}.get(key, 0.0)

    def read(self):
        image = self.pictures.pop(0) if self.pictures else None
        return image is not None, image

    def release(self):
        self.released += 1


def write_video(path: str, frames: int, fps: float = 10.0) -> None:
    """A video of :func:`picture`; in an avi every frame is a JPEG file."""
    kind = 'MJPG' if path.endswith('.avi') else 'mp4v'
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*kind), fps, (WIDTH, HEIGHT))
    for i in range(frames):
        writer.write(picture(i))
    writer.release()


def spoil(path: Path, frame: int) -> None:
    """Make a frame of an avi unreadable."""
    content = bytearray(path.read_bytes())
    start = content.index(b'movi')
    for _ in range(frame + 1):  # each is '00dc', its length in bytes, and its bytes
        start = content.index(b'00dc', start + 4)
    (length,) = struct.unpack_from('<I', content, start + 4)
    content[start + 8 : start + 8 + length] = bytes(length)
    path.write_bytes(content)


def read_video(path) -> list[np.ndarray]:
    capture, images = cv2.VideoCapture(str(path)), []
    while (result := capture.read())[0]:
        images.append(result[1])
    return images
