"""What the results of images are called."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from .frames import IMAGES


def result_names(files: Sequence[str]) -> list[str]:
    """Names of results, one per file: ``a.jpg`` is ``a``, unless there is an ``a.png`` as well.

    Files of the same name, out of different folders, get numbers: ``a``, ``a_2``. No two share a
    name, nor a :func:`picture_name`.

    Args:
        files: names of files, with those folders that the results are to have as well.
    """
    stems = Counter(_stem(file) for file in set(files))
    names: list[str] = []
    taken: set[str] = set()
    pictures: set[str] = set()
    for file in files:
        name = wanted = _stem(file) if stems[_stem(file)] < 2 else file
        number = 1
        while name in taken or picture_name(name, file) in pictures:
            number += 1
            name = f'{wanted}_{number}'
        taken.add(name)
        pictures.add(picture_name(name, file))
        names.append(name)
    return names


def picture_name(name: str, file: str) -> str:
    """What the picture of a result is called: ``a.png``, or ``a.jpg`` if its file is no image's.

    Args:
        name: of the result, ``'a'``; ``'a.png'`` where that is the name of the file.
        file: name of the file.
    """
    suffix = Path(file).suffix
    if suffix.lower() not in IMAGES:
        return f'{name}.jpg'
    return name if Path(name).name == Path(file).name else f'{name}{suffix}'


def _stem(file: str) -> str:
    return Path(file).with_suffix('').as_posix() if Path(file).name else file
