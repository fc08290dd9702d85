"""From what a user names to what frames can be read from: files, folders, lists, cameras."""

import glob
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import cv2

from ..errors import UserInputError
from .frames import IMAGES, file_name, is_address
from .image_files import ImageFiles
from .result_names import result_names
from .video import Video

VIDEOS = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.wmv', '.flv')
LISTS = ('.txt', '.lst')
Found = tuple[str | int, str]  # a path, an address or a camera, and a path for its results
Source = ImageFiles | Video
DEVICE = re.compile(r'/dev/video(\d+)')  # of a camera, under Linux


def find_sources(
    inputs: Sequence[str],
    *,
    recursive: bool = False,
    max_frames: int | None = None,
    leave_out: Sequence[str | Path] = (),
    open_capture: Callable[[str | int], cv2.VideoCapture] = cv2.VideoCapture,
) -> list[Source]:
    """What frames can be read from, in the order of the inputs, each under a name of its own.

    Args:
        inputs: each of them an image, a video, a folder of both, a pattern such as
            ``'photos/**/*.jpg'``, an http(s) address of an image or a video, the address of a
            stream (``rtsp://``), a camera's number or ``/dev/video0``, or a text file that lists
            any of these.
        recursive: whether a folder's own folders count, but for hidden ones.
        max_frames: after which to stop a video or a camera.
        leave_out: folders that are not searched, such as those of earlier results, though they
            lie in a folder that is.
        open_capture: see :class:`~.video.Video`.

    Raises:
        UserInputError: something does not exist, or has no images or videos.
    """
    if max_frames is not None and max_frames < 1:
        raise UserInputError(f'a video needs at least 1 frame, --max-frames is {max_frames}')
    skip = [Path(folder).resolve() for folder in leave_out]
    found = [one for text in inputs for one in _resolve(text, recursive, skip)]
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
    suffix = Path(file_name(where)).suffix.lower()
    stream = '://' in where and not is_address(where) and suffix not in IMAGES
    return stream or suffix in VIDEOS


def _resolve(
    text: str, recursive: bool, leave_out: Sequence[Path], listed_by: Path | None = None
) -> Iterator[Found]:
    """All that an input means."""
    if text.lower().startswith('file://'):
        text = url2pathname(urlsplit(text).path)
    path = Path(text)
    if '://' in text:
        yield text, file_name(text) or 'stream'
    elif path.is_dir():
        yield from _in_folder(path, recursive, leave_out)
    elif path.is_file() and path.suffix.lower() in LISTS and listed_by is None:
        yield from _in_list(path, recursive, leave_out)
    elif path.exists():  # be it no regular file
        camera = DEVICE.fullmatch(str(path.resolve()))  # links to it have lasting names
        yield _camera(camera[1]) if camera else (text, path.name)
    elif listed_by is not None and not path.is_absolute() and (listed_by.parent / path).exists():
        yield from _resolve(str(listed_by.parent / path), recursive, leave_out, listed_by)
    elif text.isdigit():
        yield _camera(text)
    elif glob.has_magic(text):
        yield from _by_pattern(text, leave_out)
    elif listed_by is not None:
        yield text, path.name  # one missing file of a list is skipped with a sentence
    else:
        kind = 'video' if path.suffix.lower() in VIDEOS else 'image or folder'
        raise UserInputError(f"{kind} '{text}' does not exist")


def _camera(number: str) -> Found:
    return int(number), f'camera{int(number)}'


def _in_folder(folder: Path, recursive: bool, leave_out: Sequence[Path]) -> Iterator[Found]:
    paths = folder.rglob('*') if recursive else folder.iterdir()
    # Hidden ones are none, as for patterns: macOS puts ._a.jpg, no image, beside a.jpg.
    paths = (p for p in paths if not any(n.startswith('.') for n in p.relative_to(folder).parts))
    found = _known(paths, folder, leave_out)
    if not found:
        hint = '' if recursive else '; --recursive looks into its folders'
        raise UserInputError(
            f"folder '{folder}' has no images or videos ({', '.join(IMAGES + VIDEOS)}){hint}"
        )
    yield from found


def _by_pattern(pattern: str, leave_out: Sequence[Path]) -> Iterator[Found]:
    fixed = []
    for part in Path(pattern).parts[:-1]:
        if glob.has_magic(part):
            break
        fixed.append(part)
    paths = map(Path, glob.glob(pattern, recursive=True))
    found = _known(paths, Path(*fixed), leave_out)
    if not found:
        raise UserInputError(f"no image or video matches '{pattern}'")
    yield from found


def _in_list(path: Path, recursive: bool, leave_out: Sequence[Path]) -> Iterator[Found]:
    """What the lines of a text file mean; paths start here, or where the file lies."""
    try:
        text = path.read_text(encoding='utf-8-sig')  # with or without the mark of Windows' editors
    except UnicodeDecodeError as error:
        raise UserInputError(f"'{path}' is not a text file that lists images") from error
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith('#')]
    if not lines:
        raise UserInputError(f"list '{path}' is empty")
    for line in lines:
        yield from _resolve(line, recursive, leave_out, listed_by=path)


def _known(paths: Iterable[Path], root: Path, leave_out: Sequence[Path]) -> list[Found]:
    """The images and videos among paths below a folder, without those of folders to leave out."""
    base = root.resolve()
    # Of folders below this one only: who names a folder itself means it.
    skip = {folder.relative_to(base) for folder in leave_out if base in folder.parents}
    found = []
    for path in sorted(paths):
        name = path.relative_to(root)
        wanted = name.suffix.lower() in IMAGES + VIDEOS and skip.isdisjoint(name.parents)
        if wanted and path.is_file():
            found.append((str(path), name.as_posix()))
    return found
