"""From sources of frames to files of results."""

import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
from mmdet.structures import DetDataSample
from rich.console import Console

from ..errors import UserInputError
from ..visualization.detections import draw_detections
from .detections import detect
from .frames import Frame
from .image_files import ImageFiles
from .image_writer import ImageWriter
from .inference_progress import InferenceProgress
from .inferencer import CenterNetInferencer
from .sources import Source
from .video import Video
from .video_writer import VideoWriter


class InferenceRunner:
    """Detects on all frames of sources and writes what is found, frame by frame::

        infer = CenterNetInferencer('CONFIG', 'CHECKPOINT', device='cpu')
        run = InferenceRunner(infer, 'out', batch_size=4)
        run(find_sources(['photos', 'clip.mp4']))

    What was written stays complete if an exception, such as that of Ctrl-C, ends the call.

    Args:
        infer: its ``pred2dict`` says what stands in the json, behind the frame's ``source``,
            ``width`` and ``height``.
        out_dir: for what :class:`ImageWriter` and :class:`VideoWriter` write.
        batch_size: how many frames go through the network at once.
        score_thr: what scores more is drawn; the json has all.
        pictures: whether to draw and write pictures.
        visualizer: whether the config's visualizer draws, by matplotlib, with all that it may draw
            besides; default: :func:`draw_detections`, which is far quicker.
        show: whether to show every picture in a window: an image until a key is pressed, videos
            as fast as they are detected on; ``q``, escape or closing the window ends the call.
        cam2img: the camera of a frame, see :func:`detect`.
        on_result: called with each frame and what was found on it, of lists and numbers.
        console: where to write progress and what was skipped; default: stderr.

    Attributes:
        done: frames that were detected on, of all calls.
        skipped: frames that could not be read.
        rate: images per second of the last call, in words.

    Raises:
        UserInputError: nothing can be shown here; when called: nothing at all can be read, or
            there is no writing to ``out_dir``.
    """

    def __init__(
        self,
        infer: CenterNetInferencer,
        out_dir: str | Path,
        *,
        batch_size: int = 1,
        score_thr: float = 0.3,
        pictures: bool = True,
        visualizer: bool = False,
        show: bool = False,
        cam2img: Callable[[Frame], np.ndarray | None] = lambda frame: None,
        on_result: Callable[[Frame, dict], None] = lambda frame, found: None,
        console: Console | None = None,
    ) -> None:
        self.infer, self.out_dir = infer, Path(out_dir)
        self.batch_size, self.score_thr = batch_size, score_thr
        self.pictures, self.visualizer, self.show = pictures, visualizer, show
        self.cam2img, self.on_result = cam2img, on_result
        self.console = console or Console(stderr=True)
        self.done = self.skipped = 0
        self.rate = ''
        self._stopped = False
        if show:
            check_window()

    def __call__(self, sources: Sequence[Source]) -> None:
        """Detect on all frames of all sources."""
        totals = [source.total for source in sources]
        total = None if None in totals else sum(totals)
        self._stopped, before, error = False, self.done, None
        with InferenceProgress(self.console, total) as progress:
            try:
                for source in sources:
                    error = self._run(source, progress) or error
                    if self._stopped:
                        break
            finally:
                self.rate = progress.rate
        if error and self.done == before:
            raise UserInputError(error)

    def _run(self, source: Source, progress: InferenceProgress) -> str:
        """Give what could not be read first."""
        if isinstance(source, Video):
            kind = 'video'
            writer = VideoWriter(self.out_dir, source.name, source.fps, source.live)
        else:
            kind = 'image'
            writer = ImageWriter(self.out_dir)
        options = dict(batch_size=self.batch_size, cam2img=self.cam2img)
        first = ''
        with closing(writer), closing(detect(self.infer, source, **options)) as detections:
            for frame, sample in detections:
                if sample is None:
                    sentence = f'{kind} {frame.where} {frame.error}'
                    first = first or sentence
                    self.skipped += 1
                    progress.say(f'skipped: {sentence}')
                    continue
                found = self._found(frame, sample)
                drawn = self._draw(frame, sample) if self.pictures or self.show else None
                writer.write(frame, found, drawn if self.pictures else None)
                self.on_result(frame, found)
                self.done += 1
                progress.advance()
                if self.show and show_picture(drawn, wait=isinstance(source, ImageFiles)):
                    self._stopped = True
                    break
        return first

    def _found(self, frame: Frame, sample: DetDataSample) -> dict:
        """A prediction in lists and numbers, with its image and the names of its classes."""
        height, width = frame.image.shape[:2]
        # The address of a camera may have its password, and results are shared more freely.
        source = re.sub('(?<=://)[^/@]*@', '', frame.source)
        found = dict(source=source, width=width, height=height) | self.infer.pred2dict(sample)
        classes = self.infer.model.dataset_meta['classes']
        found['label_names'] = [
            classes[label] if label < len(classes) else str(label) for label in found['labels']
        ]
        return found

    def _draw(self, frame: Frame, sample: DetDataSample) -> np.ndarray:
        """The picture with what was found. (H, W, 3), uint8, BGR"""
        if not self.visualizer:
            return draw_detections(
                frame.image,
                sample,
                self.infer.model.dataset_meta,
                score_thr=self.score_thr,
                kpt_thr=getattr(self.infer.visualizer, 'kpt_thr', 0.1),
            )
        rgb = np.ascontiguousarray(frame.image[..., ::-1])
        (drawn,) = self.infer.visualize(
            [rgb], [sample], return_vis=True, pred_score_thr=self.score_thr
        )
        return np.ascontiguousarray(drawn[..., ::-1])


def check_window() -> None:
    """Fails where OpenCV cannot open a window.

    Raises:
        UserInputError: says why.
    """
    # OpenCV ends the process if it has windows but there is no display.
    if sys.platform == 'linux' and not (
        os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')
    ):
        raise UserInputError('--show needs a display, and there is none')
    try:
        cv2.namedWindow('detections', cv2.WINDOW_NORMAL)
    except cv2.error as error:
        raise UserInputError(
            '--show needs an OpenCV with windows: opencv-python, not opencv-python-headless'
        ) from error


def show_picture(picture: np.ndarray, wait: bool) -> bool:
    """Show a picture, (H, W, 3), uint8, BGR; gives whether the user wants no more.

    Args:
        picture: what to show.
        wait: whether to wait for a key.
    """
    cv2.imshow('detections', picture)
    while True:
        # waitKey(0) would hear neither Ctrl-C nor that the window is closed.
        key = cv2.waitKey(50 if wait else 1)
        closed = cv2.getWindowProperty('detections', cv2.WND_PROP_VISIBLE) < 1
        if closed or key & 0xFF in (ord('q'), 27):
            return True
        if key != -1 or not wait:
            return False
