"""What the results of images are called."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path


def result_names(files: Sequence[str]) -> list[str]:
    """Names of results, one per file: ``a.jpg`` is ``a``, unless there is an ``a.png`` as well.

    Files of the same name, out of different folders, get numbers: ``a``, ``a_2``.

    Args:
        files: names of files, with those folders that the results are to have as well.
    """
    stems = Counter(_stem(file) for file in set(files))
    names: list[str] = []
    taken: set[str] = set()
    for file in files:
        name = wanted = _stem(file) if stems[_stem(file)] < 2 else file
        number = 1
        while name in taken:
            number += 1
            name = f'{wanted}_{number}'
        taken.add(name)
        names.append(name)
    return names


def _stem(file: str) -> str:
    return Path(file).with_suffix('').as_posix() if Path(file).name else file
