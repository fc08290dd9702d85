"""Reading what ``tools/test.py --out`` keeps, without running anything that is in it."""

import collections
import io
import pickle
from pathlib import Path

import numpy as np
import torch

from ..errors import UserInputError

FIELDS = {'bboxes': 2, 'scores': 1, 'labels': 1}  # dimensions


def read_predictions(path: Path | str) -> list[dict]:
    """Predictions that mmdet's ``DumpDetResults`` has written.

    A pickle may hold a program, which Python's own ``pickle.load`` runs. Here only numbers, text,
    arrays and tensors come out of it.

    Returns:
        One dict per image, as in the file; ``pred_instances`` holds at least ``bboxes`` (N, 4),
        ``scores`` (N,) and ``labels`` (N,) as arrays.

    Raises:
        UserInputError: not such a file, damaged, or with more in it than data.
    """
    path = Path(path)
    try:
        with path.open('rb') as file:
            content = _DataUnpickler(file).load()
    except OSError as error:
        raise UserInputError(f"'{path}' cannot be read: {error.strerror}") from None
    except _RefusedError as error:
        raise UserInputError(
            f"'{path}' is not read: it asks for {error}, which is a program or an object and not "
            'data; make it with tools/test.py --out'
        ) from None
    except Exception as error:  # what a foreign or damaged file raises cannot be foreseen
        raise UserInputError(
            f"'{path}' is no file of predictions, or is damaged ({type(error).__name__}: "
            f'{str(error).splitlines()[0] if str(error) else "no details"}); make it with '
            'tools/test.py --out'
        ) from error
    if not isinstance(content, list) or not content:
        raise UserInputError(
            f"'{path}' holds {_kind(content)} instead of a list of predictions, one per image; "
            'make it with tools/test.py --out'
        )
    return [_checked(entry, i, path) for i, entry in enumerate(content)]


class _RefusedError(Exception):
    pass


class _DataUnpickler(pickle.Unpickler):
    """Builds nothing but data, whatever the file asks for."""

    def find_class(self, module: str, name: str):
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise _RefusedError(f'{module}.{name}') from None

    def persistent_load(self, pid):
        raise _RefusedError('a storage outside of the file')


def _load_storage(data: bytes):
    """A tensor's numbers. torch's own function would unpickle the inner file without a check."""
    return torch.load(io.BytesIO(data), map_location='cpu', weights_only=True)


def _encode(text: str, encoding: str) -> bytes:
    """How pickles for Python 2 spell bytes."""
    if encoding != 'latin1':
        raise _RefusedError(f'the encoding {encoding}')
    return text.encode('latin1')


_CORE = np._core if hasattr(np, '_core') else np.core
_ALLOWED = {
    ('collections', 'OrderedDict'): collections.OrderedDict,
    ('_codecs', 'encode'): _encode,
    ('torch', 'Size'): torch.Size,
    ('torch.storage', '_load_from_bytes'): _load_storage,
    ('torch._utils', '_rebuild_tensor_v2'): torch._utils._rebuild_tensor_v2,
    ('numpy', 'ndarray'): np.ndarray,
    ('numpy', 'dtype'): np.dtype,
    # numpy 1 and 2 save under different names.
    **{
        (f'numpy.{core}.{module}', name): getattr(getattr(_CORE, module), name)
        for core in ('core', '_core')
        for module, name in (
            ('multiarray', '_reconstruct'),
            ('multiarray', 'scalar'),
            ('numeric', '_frombuffer'),
        )
    },
}


def _checked(entry, place: int, path: Path) -> dict:
    """The entry of one image with its boxes, scores and labels as arrays."""
    found = entry.get('pred_instances') if isinstance(entry, dict) else None
    if not isinstance(found, dict) or not set(FIELDS) <= set(found):
        raise UserInputError(
            f"image {place} in '{path}' has no pred_instances with {', '.join(FIELDS)}; make it "
            'with tools/test.py --out'
        )
    arrays = {}
    for name, dimensions in FIELDS.items():
        try:
            arrays[name] = np.asarray(found[name], np.int64 if name == 'labels' else np.float32)
        except (TypeError, ValueError):
            raise UserInputError(f"{name} of image {place} in '{path}' are no numbers") from None
        if not arrays[name].size:
            arrays[name] = arrays[name].reshape((0, 4)[:dimensions])
    count = len(arrays['scores'])
    shapes = tuple(a.shape for a in arrays.values())
    if shapes != ((count, 4), (count,), (count,)):
        raise UserInputError(
            f"{', '.join(FIELDS)} of image {place} in '{path}' have the shapes "
            f'{", ".join(map(str, shapes))}, which do not belong together'
        )
    return {**entry, 'pred_instances': {**found, **arrays}}


def _kind(value) -> str:
    return 'an empty list' if value == [] else f'a {type(value).__name__}'
