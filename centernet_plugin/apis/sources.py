"""From what a user names to what frames can be read from: files, folders, lists, cameras."""

import glob
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from urllib.parse import unquote, urlsplit

import cv2

from ..errors import UserInputError
from .frames import IMAGES, is_address
from .image_files import ImageFiles
from .result_names import result_names
from .video import Video

VIDEOS = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.wmv', '.flv')
LISTS = ('.txt', '.lst')
Found = tuple[str | int, str]  # a path, an address or a camera, and a path for its results
Source = ImageFiles | Video


def find_sources(
    inputs: Sequence[str],
    *,
    recursive: bool = False,
    max_frames: int | None = None,
    open_capture: Callable[[str | int], cv2.VideoCapture] = cv2.VideoCapture,
) -> list[Source]:
    """What frames can be read from, in the order of the inputs, each under a name of its own.

    Args:
        inputs: each of them an image, a video, a folder of both, a pattern such as
            ``'photos/**/*.jpg'``, an http(s) address of an image or a video, the address of a
            stream (``rtsp://``), a camera's number, or a text file that lists any of these.
        recursive: whether a folder's own folders count.
        max_frames: after which to stop a video or a camera.
        open_capture: see :class:`~.video.Video`.

    Raises:
        UserInputError: something does not exist, or has no images or videos.
    """
    if max_frames is not None and max_frames < 1:
        raise UserInputError(f'a video needs at least 1 frame, --max-frames is {max_frames}')
    found = [one for text in inputs for one in _resolve(text, recursive)]
    names = result_names([result for _, result in found])
    sources: list[Source] = []
    for video, group in groupby(
        zip((where for where, _ in found), names, strict=True), key=lambda pair: is_video(pair[0])
    ):
        if video:
            options = dict(max_frames=max_frames, open_capture=open_capture)
            sources += [Video(where, name, **options) for where, name in group]
        else:
            sources.append(ImageFiles(*zip(*group, strict=True)))
    return sources


def is_video(where: str | int) -> bool:
    """Whether it is a camera, a stream, or a video by its suffix."""
    if isinstance(where, int):
        return True
    if '://' in where:
        suffix = _suffix(urlsplit(where).path)
        return suffix in VIDEOS or (suffix not in IMAGES and not is_address(where))
    return _suffix(where) in VIDEOS


def _resolve(text: str, recursive: bool, listed_by: Path | None = None) -> Iterator[Found]:
    """All that an input means."""
    path = Path(text)
    if '://' in text:
        yield text, Path(unquote(urlsplit(text).path)).name or 'stream'
    elif path.is_dir():
        yield from _in_folder(path, recursive)
    elif path.is_file():
        if path.suffix.lower() in LISTS and listed_by is None:
            yield from _in_list(path, recursive)
        else:
            yield text, path.name
    elif listed_by is not None and not path.is_absolute() and (listed_by.parent / path).exists():
        yield from _resolve(str(listed_by.parent / path), recursive, listed_by)
    elif text.isdigit():
        yield int(text), f'camera{int(text)}'
    elif glob.has_magic(text):
        yield from _by_pattern(text)
    elif listed_by is not None:
        yield text, path.name  # one missing file of a list is skipped with a sentence
    else:
        kind = 'video' if path.suffix.lower() in VIDEOS else 'image or folder'
        raise UserInputError(f"{kind} '{text}' does not exist")


def _in_folder(folder: Path, recursive: bool) -> Iterator[Found]:
    paths = sorted(p for p in (folder.rglob('*') if recursive else folder.iterdir()) if _known(p))
    if not paths:
        hint = '' if recursive else '; --recursive looks into its folders'
        raise UserInputError(
            f"folder '{folder}' has no images or videos ({', '.join(IMAGES + VIDEOS)}){hint}"
        )
    for path in paths:
        yield str(path), path.relative_to(folder).as_posix()


def _by_pattern(pattern: str) -> Iterator[Found]:
    paths = sorted(p for p in map(Path, glob.glob(pattern, recursive=True)) if _known(p))
    if not paths:
        raise UserInputError(f"no image or video matches '{pattern}'")
    fixed = []
    for part in Path(pattern).parts[:-1]:
        if glob.has_magic(part):
            break
        fixed.append(part)
    for path in paths:
        yield str(path), path.relative_to(Path(*fixed)).as_posix()


def _in_list(path: Path, recursive: bool) -> Iterator[Found]:
    """What the lines of a text file mean; paths start here, or where the file lies."""
    try:
        lines = [line.strip() for line in path.read_text(encoding='utf-8').splitlines()]
    except UnicodeDecodeError as error:
        raise UserInputError(f"'{path}' is not a text file that lists images") from error
    lines = [line for line in lines if line and not line.startswith('#')]
    if not lines:
        raise UserInputError(f"list '{path}' is empty")
    for line in lines:
        yield from _resolve(line, recursive, listed_by=path)


def _known(path: Path) -> bool:
    return path.suffix.lower() in IMAGES + VIDEOS and path.is_file()


def _suffix(path: str) -> str:
    return Path(path).suffix.lower()
