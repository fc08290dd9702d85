"""Images in files and at addresses as a source of frames."""

from collections.abc import Iterator, Sequence

import mmcv

from .frames import Decode, Frame, read_image


class ImageFiles:
    """Reads images one after the other; one that cannot be read is a frame that says why.

    Args:
        paths: files or addresses.
        names: what the results of each are called, see :class:`~.frames.Frame`.
    """

    def __init__(self, paths: Sequence[str], names: Sequence[str]) -> None:
        self.paths, self.names = list(paths), list(names)

    @property
    def total(self) -> int:
        """How many frames there will be."""
        return len(self.paths)

    def __iter__(self) -> Iterator[Frame]:
        return self.read()

    def read(self, decode: Decode = mmcv.imfrombytes) -> Iterator[Frame]:
        """The frames; ``decode`` makes (H, W, 3) of the bytes of a file, or None."""
        for path, name in zip(self.paths, self.names, strict=True):
            image, error = read_image(path, decode)
            yield Frame(path, name, image, error)
