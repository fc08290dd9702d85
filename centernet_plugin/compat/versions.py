"""Which versions of torch, mmengine, mmcv and mmdet work together with this package."""

import importlib
import re

# Lower bound included, upper bound excluded. Modules are asked, not distributions: the forks
# install the same modules under other distribution names.
BOUNDS = {
    'torch': ((2, 0), None),
    'mmengine': ((0, 10), (1, 0)),
    'mmcv': ((2, 0), (3, 0)),
    'mmdet': ((3, 3), (4, 0)),
}
UPSTREAM_MMCV_END = (2, 2)  # mmdet 3.3 refuses to be imported with mmcv 2.2 and later

ADVICE = """\
centernet_plugin works with torch >= 2.0 and one of two families of packages:
  maintained forks:  pip install onedl-mmengine==0.10.12 onedl-mmcv==2.3.6 onedl-mmdetection==3.5.1
  upstream:          pip install mmengine==0.10.7 mmcv-lite==2.1.0 mmdet==3.3.0
Install one of them, in an environment without the other."""


def check() -> None:
    """Refuse an environment that cannot work.

    Raises:
        RuntimeError: with all that was found, all that is wrong and what to install. Not an
            ImportError: mmengine swallows those while it looks for a registry.
    """
    found = {name: _version(name) for name in BOUNDS if name != 'mmdet'}
    complaint = complaint_about(found)
    if complaint is None:  # mmdet checks the others by assertions of its own
        try:
            found['mmdet'] = _version('mmdet')
        except AssertionError as error:
            raise RuntimeError(f'{error}\n{ADVICE}') from error
        complaint = complaint_about(found)
    if complaint is not None:
        raise RuntimeError(complaint)


def complaint_about(found: dict[str, str | None]) -> str | None:
    """What is wrong with these module versions, as one message, or None.

    Args:
        found (dict[str, str | None]): version by module name; None where it is not installed.
    """
    wrong = []
    for name, version in found.items():
        low, high = BOUNDS[name]
        if version is None:
            wrong.append(f'{name} is not installed')
        elif _digits(version) < low or (high and _digits(version) >= high):
            below = f' and < {_text(high)}' if high else ''
            wrong.append(f'{name} is {version}, but must be >= {_text(low)}{below}')
    mmdet, mmcv = found.get('mmdet'), found.get('mmcv')
    if not wrong and mmdet and mmcv:
        if _digits(mmdet) < (3, 4) and _digits(mmcv) >= UPSTREAM_MMCV_END:
            wrong.append(f'mmcv is {mmcv}, but mmdet {mmdet} needs mmcv < 2.2')
    if not wrong:
        return None
    return '; '.join(wrong) + '.\n' + ADVICE


def _version(name):
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:  # it is there, but something that it needs is not
            raise
        return None
    return getattr(module, '__version__', '0')


def _digits(version):
    """'2.13.0+cpu' -> (2, 13)."""
    return tuple(int(n) for n in re.findall(r'\d+', version.split('+')[0])[:2])


def _text(digits):
    return '.'.join(str(n) for n in digits)
