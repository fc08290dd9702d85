"""Reading weights from a file of unknown origin, without running anything that is in it."""

import contextlib
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ..compat import checkpoint
from ..compat.unreadable import first_sentence, not_a_checkpoint, why_unreadable
from ..errors import UserInputError

REMEDY = 'if you trust the file, save its state_dict alone with torch.save'


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    Attributes:
        state: tensors by name, without the prefixes of wrapping modules.
        epoch: epochs that it was trained for, where the file says it.
        classes: names of its classes, where the file says them.
        palette: their colours, likewise.
        rest: names of what else is in the container (optimizer, ...).
    """

    state: dict[str, Tensor]
    epoch: int | None = None
    classes: tuple[str, ...] | None = None
    palette: list[tuple[int, ...]] | None = None
    rest: list[str] = field(default_factory=list)


def read_checkpoint(path: Path | str) -> Checkpoint:
    """Weights from a file of ``torch.save`` or of safetensors.

    Args:
        path: a bare ``state_dict`` or a container that has it under ``state_dict``.

    Raises:
        UserInputError: not such a file, damaged, or with more in it than data.
    """
    path = Path(path)
    if complaint := not_a_checkpoint(path):
        raise UserInputError(complaint)
    if path.suffix == '.safetensors':
        state = _load_safetensors(path)
        _require_tensors(path, state)
        return Checkpoint(strip_prefixes(state))
    content = _load(path)
    if not isinstance(content, dict):
        raise UserInputError(f"'{path}' holds a {type(content).__name__} instead of named tensors")
    state, rest, meta = content, {}, {}
    if 'state_dict' in content:
        state = content['state_dict']
        rest = {name: value for name, value in content.items() if name != 'state_dict'}
        meta = rest.pop('meta', None)
        if not isinstance(state, dict):
            raise UserInputError(
                f"'state_dict' in '{path}' is a {type(state).__name__} instead of named tensors"
            )
    _require_tensors(path, state)
    meta = meta if isinstance(meta, dict) else {}
    classes, palette = _classes(meta)
    return Checkpoint(
        state=strip_prefixes(state),
        epoch=_whole_number(rest.pop('epoch', meta.get('epoch'))),
        classes=classes,
        palette=palette,
        rest=[str(name) for name in rest],
    )


def strip_prefixes(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors by their names without any number of ``module.`` in front.

    Raises:
        UserInputError: two have the same name then.
    """
    bare = {}
    for key, value in state.items():
        name = re.sub(r'^(module\.)+', '', key)
        if name in bare:
            raise UserInputError(f"there are two tensors '{name}', one of them as '{key}'")
        bare[name] = value
    return bare


def _load(path: Path):
    """``torch.load`` of data only; what a Runner of mmengine saves is data."""
    allowed = contextlib.nullcontext()
    if not checkpoint.before_weights_only():
        # At its end torch forbids what it allowed, also what had been allowed before.
        known = torch.serialization.get_safe_globals()
        new = [entry for entry in checkpoint.safe_globals() if entry not in known]
        allowed = torch.serialization.safe_globals(new)
    try:
        with allowed, warnings.catch_warnings():
            warnings.simplefilter('ignore')  # an error says more
            return torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # what a foreign or damaged file raises cannot be foreseen
        raise UserInputError(why_unreadable(path, error, REMEDY)) from error


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        from safetensors.torch import load_file
    except ImportError:
        raise UserInputError(
            f"'{path}' needs the package safetensors: pip install safetensors"
        ) from None
    try:
        return load_file(path)
    except Exception as error:  # as above
        raise UserInputError(
            f"'{path}' is no safetensors file, or is cut off; download it again "
            f'({first_sentence(error)})'
        ) from error


def _require_tensors(path: Path, state: dict) -> None:
    """Fails unless ``state`` is weights."""
    part = next((key for key, value in state.items() if _holds_tensors(value)), None)
    if part is not None:
        raise UserInputError(
            f"the weights seem to lie under {part!r} in '{path}'; save that part alone with "
            'torch.save'
        )
    for key, value in state.items():
        if not isinstance(key, str):
            raise UserInputError(f"'{path}' names a weight by {key!r} instead of a string")
        if not isinstance(value, Tensor):
            raise UserInputError(
                f"'{key}' in '{path}' is a {type(value).__name__} instead of a tensor"
            )
        if value.layout is not torch.strided or value.is_quantized:
            raise UserInputError(f"'{key}' in '{path}' is a sparse or quantized tensor")
    if not state:
        raise UserInputError(f"'{path}' holds no weights")


def _holds_tensors(value) -> bool:
    return isinstance(value, dict) and any(isinstance(v, Tensor) for v in value.values())


def _whole_number(value) -> int | None:
    return value if isinstance(value, int) else None


def _classes(meta: dict) -> tuple[tuple[str, ...] | None, list[tuple[int, ...]] | None]:
    """Names and colours from the ``meta`` of MMDetection 3 (``dataset_meta``) or 2."""
    dataset = meta.get('dataset_meta')
    dataset = dataset if isinstance(dataset, dict) else meta
    named = {str(key).lower(): value for key, value in dataset.items()}
    classes, palette = named.get('classes'), named.get('palette')
    if not isinstance(classes, list | tuple) or not all(isinstance(c, str) for c in classes):
        return None, None
    try:
        colours = [tuple(int(value) for value in colour) for colour in palette or []]
    except (TypeError, ValueError):  # a name such as 'random'
        colours = []
    return tuple(classes), colours if len(colours) == len(classes) else None
