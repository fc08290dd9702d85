"""One picture to detect on, wherever it comes from, and how its file is read."""

from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, IncompleteRead
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit
from urllib.request import urlopen

import cv2
import mmcv
import numpy as np
from mmengine import fileio

IMAGES = ('.jpg', '.jpeg', '.png', '.bmp', '.ppm', '.tif', '.tiff', '.webp')
TIMEOUT = 30.0  # seconds to wait for a server
LARGEST = 2**29  # bytes of an image at an address; a server may send without end
IN_ADDRESSES = "%/:=&?~#+!$,;'@()*[]"  # what stands in an address as it is, escapes included
Decode = Callable[[bytes], np.ndarray | None]


@dataclass
class Frame:
    """A picture of a source, or the reason why there is none.

    Args:
        source: what it was read from: a path, an address, or ``camera 0``.
        name: what its results are called, without a suffix; may lie in folders, ``'sub/a'``.
        image: (H, W, 3), uint8, BGR; None where it could not be read.
        error: why it could not.
        number: its place in a video, from 0; None for an image.
        time: seconds since the start of the video.
    """

    source: str
    name: str
    image: np.ndarray | None = None
    error: str = ''
    number: int | None = None
    time: float | None = None

    @property
    def where(self) -> str:
        """For sentences."""
        place = '' if self.number is None else f', frame {self.number}'
        return f"'{self.source}'{place}"


def read_image(path: str, decode: Decode = mmcv.imfrombytes) -> tuple[np.ndarray | None, str]:
    """The image in a file or at an address, and why there is none.

    Args:
        path: a path, http(s), or what else mmengine's file backends read.
        decode: makes (H, W, 3) of the bytes of a file, or None.
    """
    try:
        content = _read(path)
        if not content:
            return None, 'is empty'
        image = decode(content)
    except FileNotFoundError:
        return None, 'does not exist'
    except (OSError, ValueError, HTTPException) as error:
        return None, f'is not readable: {error}'
    except cv2.error as error:  # such as more pixels than OpenCV takes
        return None, f'is not readable as an image: {error.err}'
    return image, 'is not readable as an image' if image is None else ''


def _read(path: str) -> bytes:
    """All bytes of a file.

    Raises:
        OSError, ValueError, HTTPException: say why there are none.
    """
    if is_address(path):
        return _download(path)
    try:
        backend = fileio.get_file_backend(path, enable_singleton=True)
    except KeyError as error:
        raise ValueError(f'mmengine has no file backend for {error}') from error
    except ImportError as error:  # of a package that the backend needs; the message says which
        raise ValueError(str(error)) from error
    return backend.get(path)


def _download(address: str) -> bytes:
    # mmengine's backend would wait for ever, and read a camera's stream without end.
    with urlopen(quote(address, safe=IN_ADDRESSES), timeout=TIMEOUT) as answer:
        kind = answer.headers.get_content_type()
        if kind.startswith(('multipart/', 'video/')):
            raise ValueError(f'it is a stream or a video ({kind}), not an image')
        content = answer.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f'it has more than {LARGEST} bytes; download it, and name the file')
    if answer.length:  # read() says so itself, read(SIZE) does not
        raise IncompleteRead(content, answer.length)
    return content


def is_address(path: str) -> bool:
    """Whether it is http or https."""
    return path.lower().startswith(('http://', 'https://'))


def file_name(path: str) -> str:
    """The last part of a path or of an address, without what an address asks after a ``?``."""
    return Path(unquote(urlsplit(path).path) if '://' in path else path).name
