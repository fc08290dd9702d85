"""Results of images as files."""

import json
import os
from pathlib import Path

import cv2
import numpy as np

from ..engine.whole_files import write_whole
from ..errors import UserInputError
from .frames import Frame, file_name
from .result_names import picture_name


class ImageWriter:
    """Writes ``preds/NAME.json`` and ``vis/NAME.jpg`` (or as the image's file) of every image.

    Args:
        out_dir: folder, made when the first result is there.
    """

    def __init__(self, out_dir: str | Path) -> None:
        self.out_dir = Path(out_dir)

    def write(self, frame: Frame, found: dict, drawn: np.ndarray | None) -> None:
        """Write what was found on an image.

        Args:
            frame: the image.
            found: of lists and numbers.
            drawn: (H, W, 3), uint8, BGR; None writes no picture.

        Raises:
            UserInputError: there is no writing to the folder.
        """
        path = self.out_dir / 'preds' / f'{frame.name}.json'
        make_place(path, frame.source)
        write_whole(path, json.dumps(found).encode(), sync=False)
        if drawn is None:
            return
        path = self.out_dir / 'vis' / picture_name(frame.name, file_name(frame.source))
        make_place(path, frame.source)
        if not cv2.imwrite(str(path), drawn):
            raise UserInputError(f"picture '{path}' cannot be written")

    def close(self) -> None:
        """Every file is complete as soon as it is written."""


def make_place(path: Path, source: str) -> None:
    """Make the folder of a file that is to be written.

    Raises:
        UserInputError: it cannot be made, or the file is ``source``, which is being read.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserInputError(f"folder '{path.parent}' cannot be made: {error.strerror}") from error
    if path.exists() and os.path.exists(source) and path.samefile(source):
        raise UserInputError(f"'{path}' would be written over what it is made of; change --out-dir")
