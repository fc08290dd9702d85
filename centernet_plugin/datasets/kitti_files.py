"""The text files of KITTI's object benchmark: labels and results, calibration, lists of frames.

Lengths are metres in the frame of the rectified reference camera (x right, y down, z ahead),
angles radians, boxes pixels of image_2.
"""

import math
import os
from dataclasses import dataclass

import mmengine.fileio as fileio
import numpy as np

from ..errors import UserInputError

COLUMNS = 15  # of a label: type, truncated, occluded, alpha, box 4, size 3, location 3, rotation_y
# The devkit's result files have 2 decimals; a centimetre costs AP of pedestrians far away.
DECIMALS = 6


@dataclass
class KittiObjects:
    """The objects of one frame, a row each.

    Attributes:
        types: KITTI's names, such as 'Car' or 'DontCare'. n
        truncated: share outside of the image in [0, 1]; -1 is unknown. (n,), float64
        occluded: 0 fully visible, 1 partly, 2 largely, 3 or -1 unknown. (n,), int64
        alphas: observation angle in [-pi, pi]; -10 is unknown. (n,), float64
        bboxes: x1, y1, x2, y2. (n, 4), float64
        dimensions: height, width, length; -1 is unknown. (n, 3), float64
        locations: x, y, z of the BOTTOM's centre; -1000 is unknown. (n, 3), float64
        rotations_y: around the camera's y axis in [-pi, pi]; -10 is unknown. (n,), float64
        scores: of detections; None in labels. (n,), float64
    """

    types: list[str]
    truncated: np.ndarray
    occluded: np.ndarray
    alphas: np.ndarray
    bboxes: np.ndarray
    dimensions: np.ndarray
    locations: np.ndarray
    rotations_y: np.ndarray
    scores: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.types)


def read_objects(
    path: str | os.PathLike, with_scores: bool = False, *, backend_args: dict | None = None
) -> KittiObjects:
    """Read a label file, or a result file, which has a score more. An empty file has no objects.

    Args:
        path: of the file.
        with_scores: whether it is a result file.
        backend_args: as of mmengine's fileio.

    Raises:
        UserInputError: no such file, or not of this format; names the file and the line.
    """
    columns = COLUMNS + with_scores
    types, rows = [], []
    for number, line in _read_lines(path, backend_args):
        where = f"line {number} of '{path}'"
        name, *words = line.split()
        if len(words) + 1 != columns:
            kind = 'a result' if with_scores else 'a label'
            raise UserInputError(
                f'{where} has {len(words) + 1} columns; {kind} of KITTI has {columns}'
            )
        row = _numbers(words, where)
        if row[1] != int(row[1]) or abs(row[1]) > 100:
            raise UserInputError(f'{where} has the occlusion {words[1]}, which is no level')
        types.append(name)
        rows.append(row)
    values = np.array(rows, np.float64).reshape(-1, columns - 1)
    return KittiObjects(
        types,
        truncated=values[:, 0],
        occluded=values[:, 1].astype(np.int64),
        alphas=values[:, 2],
        bboxes=values[:, 3:7],
        dimensions=values[:, 7:10],
        locations=values[:, 10:13],
        rotations_y=values[:, 13],
        scores=values[:, 14] if with_scores else None,
    )


def write_objects(path: str | os.PathLike, objects: KittiObjects) -> None:
    """Write a result file, or a label file where there are no scores.

    Raises:
        UserInputError: a number is not finite, a type is no single word, or the file cannot be
            written.
    """
    # 9 digits keep every float32 and so the order of scores.
    scores = [] if objects.scores is None else [f'{score:.9g}' for score in objects.scores]
    values = np.column_stack(
        [objects.alphas, objects.bboxes, objects.dimensions, objects.locations, objects.rotations_y]
    )
    finite = [values, objects.truncated] + ([objects.scores] if scores else [])
    if not all(np.isfinite(part).all() for part in finite):
        raise UserInputError(f"objects for '{path}' have numbers that are not finite")
    lines = []
    for i, name in enumerate(objects.types):
        if len(name.split()) != 1 or name != name.strip():
            raise UserInputError(
                f"KITTI's files separate columns by spaces and cannot hold the type {name!r}"
            )
        words = [name, _short(objects.truncated[i]), str(int(objects.occluded[i]))]
        lines.append(' '.join(words + [_short(value) for value in values[i]] + scores[i : i + 1]))
    try:
        with open(path, 'w', encoding='utf-8') as file:
            file.writelines(line + '\n' for line in lines)
    except OSError as error:
        raise UserInputError(f"cannot write '{path}': {error.strerror}") from error


def read_camera(path: str | os.PathLike, *, backend_args: dict | None = None) -> np.ndarray:
    """P2 of a calibration file: from the reference camera's frame to pixels of image_2.

    Returns:
        Projection matrix. (3, 4), float64

    Raises:
        UserInputError: no such file, no P2 in it, or P2 is no matrix of a rectified camera.
    """
    for number, line in _read_lines(path, backend_args):
        name, _, rest = line.partition(':')
        if name.strip() != 'P2':
            continue
        where = f"P2 in line {number} of '{path}'"
        values = _numbers(rest.split(), where)
        if len(values) != 12:
            raise UserInputError(f'{where} has {len(values)} numbers instead of 12')
        matrix = np.array(values).reshape(3, 4)
        # Depth is z plus a constant only then, and a location can be computed from it.
        if not (matrix[0, 0] > 0 < matrix[1, 1] and matrix[2, :3].tolist() == [0, 0, 1]):
            raise UserInputError(
                f'{where} is not the projection of a rectified camera, '
                'f 0 c_x b_x 0 f c_y b_y 0 0 1 b_z with a positive f'
            )
        return matrix
    raise UserInputError(f"calibration file '{path}' has no line that begins with 'P2:'")


def read_split(path: str | os.PathLike, *, backend_args: dict | None = None) -> list[str]:
    """The frames of a list such as ImageSets/train.txt: one name a line, such as '000123'.

    Raises:
        UserInputError: no such file, no frame, a frame twice, or a line that is no name.
    """
    frames = {}
    for number, line in _read_lines(path, backend_args):
        if len(line.split()) != 1 or '/' in line or not line.isprintable():
            raise UserInputError(
                f"line {number} of '{path}' is not the name of a frame, such as 000123"
            )
        if line in frames:
            raise UserInputError(
                f"frame {line} is in '{path}' twice, in line {frames[line]} and in line {number}"
            )
        frames[line] = number
    if not frames:
        raise UserInputError(f"'{path}' names no frames")
    return list(frames)


def _read_lines(path: str | os.PathLike, backend_args: dict | None) -> list[tuple[int, str]]:
    """Lines that are not blank with their numbers from 1."""
    try:
        text = fileio.get(str(path), backend_args=backend_args).decode('utf-8-sig')
    except FileNotFoundError as error:
        raise UserInputError(f"file '{path}' does not exist") from error
    except UnicodeDecodeError as error:
        raise UserInputError(f"'{path}' is not a text file") from error
    except OSError as error:
        raise UserInputError(f"cannot read '{path}': {error.strerror or error}") from error
    lines = enumerate(text.split('\n'), 1)  # not splitlines: a control character ends no line
    return [(number, line.strip()) for number, line in lines if line.strip()]


def _numbers(words: list[str], where: str) -> list[float]:
    values = []
    for word in words:
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or '_' in word or not word.isascii():  # float takes 1_0
            raise UserInputError(f'{where} has {word[:20]!r} where a finite number belongs')
        values.append(value)
    return values


def _short(value: float) -> str:
    """Fixed-point number without trailing zeros."""
    text = f'{value:.{DECIMALS}f}'.rstrip('0').rstrip('.')
    return '0' if text == '-0' else text
