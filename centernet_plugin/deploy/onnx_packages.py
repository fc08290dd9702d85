"""The packages of the extra ``deploy``, which nothing else needs."""

from importlib import import_module
from importlib.util import find_spec

from ..errors import UserInputError

PACKAGES = ('onnx', 'onnxscript', 'onnxruntime')


def require_packages() -> None:
    """Fails unless what exports and runs ONNX graphs is installed.

    Raises:
        UserInputError: names what is missing and how it is installed.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise UserInputError(
            f'ONNX needs {" and ".join(missing)}, which {"is" if len(missing) == 1 else "are"} not '
            "installed: pip install -e '.[deploy]' in the checkout, or these packages by name"
        )
    for name in PACKAGES:
        import_module(name)
