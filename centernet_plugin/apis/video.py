"""Videos and cameras as a source of frames."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isfinite

import cv2

from ..errors import UserInputError
from .frames import Frame, is_address

FPS = 25.0  # where a source does not say
GIVE_UP = 25  # failed reads in a row after which nothing more is expected
TRUST = 0.02  # containers that only estimate how many frames they have are off by less


class Video:
    """Reads a video file, a stream or a camera with OpenCV, frame by frame.

    A frame that cannot be decoded is one that says so. A file that has clearly fewer frames than
    it claims ends with a frame that says so.

    Args:
        source: path or address of a video, or a camera's number.
        name: what its results are called, see :class:`~.frames.Frame`.
        max_frames: after which to stop.
        open_capture: gives the ``cv2.VideoCapture`` of ``source``, or what behaves like it.

    Raises:
        UserInputError: the camera cannot be opened. A file that is no video is a frame that says
            so.
    """

    def __init__(
        self,
        source: str | int,
        name: str,
        *,
        max_frames: int | None = None,
        open_capture: Callable[[str | int], cv2.VideoCapture] = cv2.VideoCapture,
    ) -> None:
        self.source, self.name, self.max_frames = source, name, max_frames
        self.open_capture = open_capture
        self.camera = isinstance(source, int)
        self.live = self.camera or ('://' in source and not is_address(source))
        self.where = f'camera {source}' if self.camera else source
        with self._capture() as capture:
            if self.camera and not capture.isOpened():
                raise UserInputError(f'camera {source} cannot be opened')
            fps = capture.get(cv2.CAP_PROP_FPS)
            count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.fps = fps if isfinite(fps) and 0 < fps <= 1000 else FPS
        self.count = int(count) if not self.live and isfinite(count) and count > 0 else None

    @property
    def paths(self) -> list[str]:
        """The one that is read, or ``['camera 0']``."""
        return [self.where]

    @property
    def total(self) -> int | None:
        """How many frames there will be, None where that is not known."""
        known = [n for n in (self.count, self.max_frames) if n is not None]
        return min(known, default=None)

    def __iter__(self) -> Iterator[Frame]:
        with self._capture() as capture:
            if not capture.isOpened():
                yield Frame(self.where, self.name, error='is not readable as a video')
                return
            yield from self._frames(capture)

    def _frames(self, capture: cv2.VideoCapture) -> Iterator[Frame]:
        start, number, failed = time.monotonic(), 0, []
        while self.max_frames is None or number < self.max_frames:
            good, image = capture.read()
            # OpenCV does not tell the end from a frame that it cannot decode.
            if not good:
                if len(failed) >= GIVE_UP or (self.count is None and not self.live):
                    break
                failed.append(number)
                number += 1
                continue
            yield from (self._failed(n) for n in failed)
            failed.clear()
            position = time.monotonic() - start if self.live else self._position(capture, number)
            yield Frame(self.where, self.name, image, number=number, time=position)
            number += 1
        read = number - len(failed)
        missing = (self.total or read) - read
        if read == 0:
            yield Frame(self.where, self.name, error='has no frame that is readable')
        elif self.live and failed:
            yield self._failed(failed[0], 'gives no more pictures')
        elif missing > 1 + TRUST * read:
            yield self._failed(read, f'ends here, {missing} frames too early')

    def _position(self, capture: cv2.VideoCapture, number: int) -> float:
        """Seconds of the frame that was read last."""
        milliseconds = capture.get(cv2.CAP_PROP_POS_MSEC)
        return milliseconds / 1000 if milliseconds > 0 else number / self.fps

    def _failed(self, number: int, error: str = 'is not readable') -> Frame:
        return Frame(self.where, self.name, error=error, number=number)

    @contextmanager
    def _capture(self) -> Iterator[cv2.VideoCapture]:
        capture = self.open_capture(self.source)
        try:
            yield capture
        finally:
            capture.release()
