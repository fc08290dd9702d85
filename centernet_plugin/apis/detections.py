"""Detections of a stream of frames, in batches, with mmdet's inferencer."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import chain

import cv2
import mmcv
import numpy as np
from mmdet.apis import DetInferencer
from mmdet.structures import DetDataSample

from .frames import Decode, Frame
from .image_files import ImageFiles
from .read_ahead import read_ahead


def detect(
    infer: DetInferencer,
    frames: Iterable[Frame],
    *,
    batch_size: int = 1,
    cam2img: Callable[[Frame], np.ndarray | None] = lambda frame: None,
) -> Iterator[tuple[Frame, DetDataSample | None]]:
    """What is found on every frame; in the order of the frames, of one batch at a time.

    Frames are read, and taken through the test pipeline, in a thread while the network is busy. As
    many as two batches are held, whatever the length of the stream.

    Args:
        infer: any inferencer of mmdet's kind, ours or mmdet's.
        frames: such as a source of :func:`find_sources`, whose images are decoded as the config
            says. One that could not be read, or that OpenCV cannot take through the test pipeline,
            gets None; its ``error`` says why.
        batch_size: how many frames go through the network at once.
        cam2img: the camera of a frame, (3, 4), metres to pixels of the image, for boxes in space.
    """

    def prepare(frame: Frame) -> tuple[Frame, dict | None]:
        if frame.image is None:
            return frame, None
        inputs = dict(img=frame.image.copy())  # transforms may draw on it
        camera = cam2img(frame)
        if camera is not None:
            inputs['cam2img'] = camera
        try:
            data = infer.pipeline(inputs)
        except cv2.error as error:  # too long or too thin for a transform
            frame.error = f'does not go through the test pipeline: {error.err or error}'
            return frame, None
        except Exception as error:
            if hasattr(error, 'add_note'):  # from Python 3.11 on
                error.add_note(f'in the test pipeline, with {frame.where}')
            raise
        if data is None:
            frame.error = 'is left out by the test pipeline'
        return frame, data

    if isinstance(frames, ImageFiles):
        frames = frames.read(decoder(infer))
    with closing(read_ahead(_map(prepare, frames), depth=batch_size)) as prepared:
        batch: list[tuple[Frame, dict | None]] = []
        for item in chain(prepared, [None]):
            if item is not None:
                batch.append(item)
            inputs = [data for _, data in batch if data is not None]
            if item is None or len(inputs) == batch_size:
                found = iter(infer.forward(infer.collate_fn(inputs)) if inputs else ())
                for frame, data in batch:
                    yield frame, None if data is None else next(found)
                batch = []


def decoder(infer: DetInferencer) -> Decode:
    """Decodes the bytes of an image as the test pipeline of the config does."""
    for step in infer.pipeline.transforms:
        loader = getattr(step, 'from_file', None)  # of mmdet's InferencerLoader
        if loader is not None:
            return partial(
                mmcv.imfrombytes, flag=loader.color_type, backend=loader.imdecode_backend
            )
    return mmcv.imfrombytes


def _map(function: Callable, items: Iterable) -> Iterator:
    """``map`` that closes what it iterates over with itself."""
    iterator = iter(items)
    try:
        for item in iterator:
            yield function(item)
    finally:
        if hasattr(iterator, 'close'):
            iterator.close()
