"""Values of instances besides box and label: what is to be read, and whether it is what it says."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import UserInputError

TAKEN = ('bbox', 'bbox_label', 'ignore_flag', 'mask')  # keys of an instance that have a meaning


def field_shapes(fields: Sequence[str] | Mapping[str, Sequence[int]]) -> dict[str, tuple[int, ...]]:
    """Shape of one value by name, of names (of numbers), or of shapes by name.

    Raises:
        UserInputError: neither of the two, or a name that instances use otherwise.
    """
    if isinstance(fields, str):
        raise UserInputError(f'fields is a tuple of names, got the text {fields!r}')
    shapes = dict(fields) if isinstance(fields, Mapping) else dict.fromkeys(fields, ())
    for name, shape in shapes.items():
        if not isinstance(name, str) or name in TAKEN:
            raise UserInputError(f'{name!r} cannot be the name of a field; taken are {TAKEN}')
        sizes = (shape,) if isinstance(shape, int) else tuple(shape)
        if not all(isinstance(size, int) and size > 0 for size in sizes):
            raise UserInputError(f'the shape of the field {name!r} is no tuple of sizes: {shape!r}')
        shapes[name] = sizes
    return shapes


def read_values(annotation: dict, shapes: Mapping[str, tuple[int, ...]], where: str) -> dict:
    """The values that an annotation has; one that is lacking or null is not known.

    NaN is not known either, part of a value included.

    Args:
        annotation: as in the file.
        shapes: of :func:`field_shapes`.
        where: what to call the annotation.

    Returns:
        Numbers, or nested lists of them, by name.

    Raises:
        UserInputError: a value that is no number, infinite or of another shape.
    """
    values = {}
    for name, shape in shapes.items():
        value = annotation.get(name)
        if value is None:
            continue
        numbers = as_numbers(value)
        if numbers is None or numbers.shape != shape or np.isinf(numbers).any():
            wanted = f'{" x ".join(map(str, shape))} finite numbers' if shape else 'a finite number'
            raise UserInputError(f'{where} has {name} {_brief(value)}, which is not {wanted}')
        values[name] = numbers.tolist()
    return values


def require_fields(annotations: Sequence[dict], names: Sequence[str], path: str) -> None:
    """Fail where no annotation at all has a field: its name is mistaken, or the file is.

    Raises:
        UserInputError: names the field and what the annotations have instead.
    """
    for name in names:
        if annotations and all(annotation.get(name) is None for annotation in annotations):
            raise UserInputError(
                f"no annotation in '{path}' has the field {name!r}; they have "
                f'{", ".join(sorted(annotations[0]))}'
            )


def as_numbers(value) -> np.ndarray | None:
    """The value as float64, or None where it holds anything but numbers or is ragged."""
    try:
        numbers = np.asarray(value)
    except ValueError:
        return None
    # Text that reads like a number is none, and what is empty has no kind.
    if numbers.size and numbers.dtype.kind not in 'iuf':
        return None
    return numbers.astype(np.float64)


def _brief(value) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + '...'
