"""Images that cannot be read: named, and left out where the user wants that."""

import logging

import cv2
import numpy as np
from mmengine import fileio
from mmengine.logging import print_log

from ..errors import UserInputError

CHOICES = ('error', 'skip')


class CorruptImagesMixin:
    """What a dataset of mmengine does about image files that are missing or broken.

    Args:
        *args: of the dataset.
        on_corrupt: ``'error'``: stop and name the file. ``'skip'``: name it in the log, once in
            every process, and train on another image, drawn at random; an evaluation stops
            nevertheless, since its result would be of another set.
        **kwargs: of the dataset.

    Raises:
        UserInputError: another ``on_corrupt``; while loading: a file, or with ``'skip'`` all files,
            cannot be read.
    """

    def __init__(self, *args, on_corrupt: str = 'error', **kwargs) -> None:
        if on_corrupt not in CHOICES:
            raise UserInputError(f'on_corrupt is one of {CHOICES}, got {on_corrupt!r}')
        self.on_corrupt = on_corrupt
        self._corrupt = set()
        super().__init__(*args, **kwargs)

    def prepare_data(self, idx: int) -> dict | None:
        """The sample; None, upon which the dataset takes another one, to skip it."""
        try:
            return super().prepare_data(idx)
        except Exception as error:  # libraries raise whatever they like, without the path
            path = self.get_data_info(idx)['img_path']
            if is_readable(path, self.backend_args):
                raise
            if self.on_corrupt == 'error' or self.test_mode:
                hint = '' if self.test_mode else "; on_corrupt='skip' of the dataset leaves it out"
                raise UserInputError(f"image '{path}' is not readable{hint}") from error
        if path not in self._corrupt:
            self._corrupt.add(path)
            text = f"image '{path}' is not readable; another one is taken in its place"
            print_log(text, logger='current', level=logging.WARNING)
            if len(self._corrupt) == len(self):
                raise UserInputError(f"none of the {len(self)} images is readable, not '{path}'")
        return None


def is_readable(path: str, backend_args: dict | None = None) -> bool:
    """Whether OpenCV makes an image of a file; of one that is cut off it does not."""
    try:
        data = fileio.get(path, backend_args=backend_args)
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is not None
    except (OSError, cv2.error):  # it is not there, is empty, has too many pixels
        return False
