"""A placeholder for ``mmcv._ext``, in memory or as a file, where mmcv has no compiled operators.

Without ``mmcv._ext``, ``import mmcv.ops`` fails and so does ``import mmdet.models``, although
nothing that CenterNet needs is in there. A compiled ``_ext`` is never touched or hidden.
"""

import importlib
import importlib.util
import sys
from importlib.machinery import PathFinder
from pathlib import Path

NAME = 'mmcv._ext'
PLACEHOLDER = Path(__file__).with_name('ext_placeholder.py')
MARKER = '# Placeholder of centernet_plugin for mmcv'


def install() -> bool:
    """Supply the placeholder in memory if mmcv has no ``_ext`` of any kind.

    Returns:
        bool: whether it was supplied by this call.

    Raises:
        RuntimeError: mmdet's models were imported before; that has failed half-way, or they
            have noted that operators are missing, and neither can be mended in this process.
    """
    if NAME in sys.modules or importlib.util.find_spec(NAME) is not None:
        return False
    if any(name == 'mmdet.models' or name.startswith('mmdet.models.') for name in sys.modules):
        raise RuntimeError(
            'mmdet.models was imported before centernet_plugin, and has failed half-way because '
            'this mmcv has no compiled operators. In a new process, import centernet_plugin '
            'first, or run `python -m centernet_plugin.compat --write` once.'
        )
    spec = importlib.util.spec_from_file_location(NAME, PLACEHOLDER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[NAME] = module
    importlib.import_module('mmcv')._ext = module
    return True


def find(folder: Path) -> tuple[str, Path | None]:
    """What the mmcv in ``folder`` has on disk.

    Returns:
        tuple: ``'none'``, ``'placeholder'`` (ours) or ``'compiled'`` (anything else that is
        there), and the file.
    """
    importlib.invalidate_caches()
    spec = PathFinder.find_spec(NAME, [str(folder)])
    if spec is None:
        return 'none', None
    if spec.origin is None:
        return 'compiled', None
    path = Path(spec.origin)
    ours = path.suffix == '.py' and path.read_text(encoding='utf-8').startswith(MARKER)
    return 'placeholder' if ours else 'compiled', path


def write(folder: Path) -> Path:
    """Put the placeholder into the mmcv in ``folder``, replacing an older one of ours.

    Raises:
        FileExistsError: it has an ``_ext`` that is not ours.
        OSError: the folder cannot be written.
    """
    kind, path = find(folder)
    if kind == 'compiled':
        raise FileExistsError(
            f'mmcv in {folder} has operators of its own ({path}); no placeholder is needed'
        )
    path = Path(folder) / '_ext.py'
    path.write_text(PLACEHOLDER.read_text(encoding='utf-8'), encoding='utf-8')
    return path


def remove(folder: Path) -> Path | None:
    """Remove the placeholder from the mmcv in ``folder``; None where there was none.

    Never removes anything else, and finds ours also behind a compiled ``_ext``.
    """
    path = Path(folder) / '_ext.py'
    if not path.is_file() or not path.read_text(encoding='utf-8').startswith(MARKER):
        return None
    Path(importlib.util.cache_from_source(path)).unlink(missing_ok=True)
    path.unlink()
    return path
