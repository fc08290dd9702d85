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
        self.decode: Decode = mmcv.imfrombytes  # (H, W, 3) of bytes

    @property
    def total(self) -> int:
        """How many frames there will be."""
        return len(self.paths)

    def __iter__(self) -> Iterator[Frame]:
        for path, name in zip(self.paths, self.names, strict=True):
            image, error = read_image(path, self.decode)
            yield Frame(path, name, image, error)
