"""Results of a video as files."""

import json
from pathlib import Path

import cv2
import numpy as np

from ..errors import UserInputError
from .frames import Frame
from .image_writer import make_place


class VideoWriter:
    """Writes ``preds/NAME.jsonl``, a line per frame, and ``vis/NAME.mp4``, with its pictures.

    Lines are on disk as soon as they are written; the mp4 can be played once it is closed. A frame
    that is missing is shown by the one before, so that the pictures keep the time of the video; of
    those that come faster than the mp4's some are left out. Its size is that of the first picture,
    without the last row or column where that is odd.

    Args:
        out_dir: folder, made when the first result is there.
        name: of the files.
        fps: frames per second of the mp4.
        live: whether frames come as fast as they are detected on, and their time says where in the
            mp4 they belong; else their number does.
    """

    def __init__(self, out_dir: str | Path, name: str, fps: float, live: bool = False) -> None:
        self.lines_path = Path(out_dir, 'preds', f'{name}.jsonl')
        self.video_path = Path(out_dir, 'vis', f'{name}.mp4')
        self.fps, self.live = fps, live
        self._lines = self._video = self._last = None
        self._written = 0

    def write(self, frame: Frame, found: dict, drawn: np.ndarray | None) -> None:
        """Write what was found on a frame.

        Args:
            frame: its number and time, and the mp4's fps, stand in the line before what was found.
            found: of lists and numbers.
            drawn: (H, W, 3), uint8, BGR; None writes no picture.

        Raises:
            UserInputError: there is no writing to the folder.
        """
        if self._lines is None:
            make_place(self.lines_path, frame.source)
            self._lines = self.lines_path.open('w', buffering=1, encoding='utf-8')
        found = dict(frame=frame.number, time=round(frame.time, 6), fps=self.fps) | found
        self._lines.write(json.dumps(found) + '\n')
        if drawn is not None:
            place = round(frame.time * self.fps) if self.live else frame.number
            self._show(drawn, place, frame.source)

    def _show(self, drawn: np.ndarray, place: int, source: str) -> None:
        """Put a picture at its place in the mp4."""
        height, width = drawn.shape[:2]
        if self._video is None:
            make_place(self.video_path, source)
            kind = cv2.VideoWriter_fourcc(*'mp4v')  # the one that every build of OpenCV writes
            self._size = (width, height)
            self._video = cv2.VideoWriter(str(self.video_path), kind, self.fps, self._size)
            if not self._video.isOpened():
                raise UserInputError(f"video '{self.video_path}' cannot be written")
        if (width, height) != self._size:
            drawn = cv2.resize(drawn, self._size)
        while self._written < place:
            self._video.write(drawn if self._last is None else self._last)
            self._written += 1
        self._last = drawn
        if self.live and place < self._written:
            return  # faster than the mp4: its place is taken
        self._video.write(drawn)
        self._written += 1

    def close(self) -> None:
        """Make the files complete."""
        if self._video is not None:
            self._video.release()
        if self._lines is not None:
            self._lines.close()
