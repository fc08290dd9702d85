"""Makes an environment of its own for the plugin, with pinned versions; reuses it when present.

    python tools/setup_env.py onedl .venv
    python tools/setup_env.py openmmlab .venv-openmmlab
    python tools/setup_env.py docs .venv-docs

Needs nothing but Python, its ``venv`` module and pip: no compiler, no GPU, no libGL. What is
installed is the complete list in ``constraints/FAMILY.txt``; ``docs`` is that list alone, without
torch, the package or anything of the calling interpreter. Environment variables:

    TORCH   another requirement for torch (``torch==2.9.1``, a wheel's path); without it, a torch
            that the calling interpreter already has is used, else the version in the constraints.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FAMILIES = ('onedl', 'openmmlab')
DOCS = 'docs'
STAMP = 'centernet_plugin.stamp'
SUPPORTED = ((3, 10), (3, 13))
# opencv-python and opencv-python-headless own the same folder `cv2`; only the second one works
# without libGL, so the first one never stays in the environment.
WITH_DISPLAY = 'opencv-python'
HEADLESS = 'opencv-python-headless'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'family',
        choices=(*FAMILIES, DOCS),
        help='which OpenMMLab packages to install, or those that build the documentation',
    )
    parser.add_argument('directory', type=Path, help='where the environment is, or goes')
    args = parser.parse_args()

    if not SUPPORTED[0] <= sys.version_info[:2] < SUPPORTED[1]:
        print(
            f'Python 3.10, 3.11 or 3.12 is needed, this is {sys.version.split()[0]}. '
            'Name another interpreter: make PYTHON=python3.11 ...',
            file=sys.stderr,
        )
        return 2

    directory = args.directory.absolute()
    constraints = ROOT / 'constraints' / f'{args.family}.txt'
    with_torch = args.family != DOCS
    torch = os.environ.get('TORCH', '').strip() if with_torch else ''
    inherit = with_torch and not torch and importlib.util.find_spec('torch') is not None
    key = fingerprint(constraints, torch, inherit)
    stamp = directory / STAMP
    found = stamp.read_text() if stamp.is_file() else ''
    if found == key:
        print(f'Environment {args.directory} is up to date.')
        return 0
    # What was made for another Python, family or torch, or never finished, is made anew.
    reuse = base(found) == base(key)

    started = time.monotonic()
    try:
        if args.family == DOCS:
            install_list(directory, constraints, reuse)
        else:
            install(args.family, directory, constraints, torch, inherit, reuse)
    except subprocess.CalledProcessError as error:
        print(
            f'Setting up {args.directory} failed: `{" ".join(map(str, error.cmd))}` ended with '
            f'code {error.returncode}; its output is above.',
            file=sys.stderr,
        )
        return 1
    stamp.write_text(key)
    minutes = (time.monotonic() - started) / 60
    print(f'Environment {args.directory} ({args.family}) is ready after {minutes:.1f} minutes.')
    return 0


def install(
    family: str, directory: Path, constraints: Path, torch: str, inherit: bool, reuse: bool
) -> None:
    python = directory / 'bin' / 'python'
    if reuse:
        step(1, f'existing environment {directory.name}')
    else:
        step(1, f'new virtual environment {directory.name}')
        create(directory, inherit)
    (directory / STAMP).unlink(missing_ok=True)

    # The same pins hold where pip builds a source distribution: several setup scripts of
    # OpenMMLab need the pkg_resources that setuptools dropped in version 82. Old versions of pip
    # read the first variable there, new ones the second. As a URL, because pip splits at spaces.
    pinned = directory / 'constraints.txt'
    present = not torch and has_torch(python)
    pinned.write_text(without(constraints, ('torch',)) if torch or present else read(constraints))
    env = {
        **os.environ,
        'PIP_CONSTRAINT': pinned.as_uri(),
        'PIP_BUILD_CONSTRAINT': pinned.as_uri(),
        'PIP_DISABLE_PIP_VERSION_CHECK': '1',
        'PYTHONUNBUFFERED': '1',
        # mmcv without its compiled operators: no compiler is needed, the plugin has its own.
        'MMCV_WITH_OPS': '0',
    }

    def pip(*arguments: str) -> None:
        command = [python, '-m', 'pip', *arguments]
        subprocess.run(command, check=True, env=env, cwd=ROOT)

    if present:
        step(2, 'torch is there already')
    else:
        step(2, f'{torch or "torch"} (the largest download)')
        pip('install', torch or 'torch')

    step(3, f'the packages of constraints/{family}.txt')
    everything = directory / 'requirements.txt'
    everything.write_text(without(constraints, ('torch', WITH_DISPLAY)))
    installed = has_distribution(python, WITH_DISPLAY)
    if installed:
        pip('uninstall', '--yes', WITH_DISPLAY)
    # The list is complete, so pip need not resolve anything, nor fetch a second OpenCV.
    # In spite of what an inherited environment has: nothing of the caller's is used but torch, and
    # nothing of the caller's is written to.
    again = ('--ignore-installed',) if inherit and not reuse else ()
    pip('install', '--no-deps', *again, '--requirement', str(everything))
    if installed:  # what was uninstalled took files of the headless build with it
        pip('install', '--no-deps', '--force-reinstall', HEADLESS)

    step(4, 'centernet_plugin itself, editable')
    pip('install', '--no-deps', '--no-build-isolation', '--editable', str(ROOT))

    step(5, "the placeholder for mmcv's compiled operators, then a check of the imports")
    run = [python, '-m', 'centernet_plugin.compat', '--write']
    subprocess.run(run, check=True, env=env, cwd=ROOT)
    subprocess.run([python, '-c', REPORT], check=True, env=env, cwd=ROOT)


def install_list(directory: Path, constraints: Path, reuse: bool) -> None:
    """The packages of a list and nothing else."""
    if not reuse:
        step(1, f'new virtual environment {directory.name}', of=2)
        create(directory, inherit=False)
    (directory / STAMP).unlink(missing_ok=True)
    step(2, f'the packages of constraints/{constraints.name}', of=2)
    env = {**os.environ, 'PIP_DISABLE_PIP_VERSION_CHECK': '1', 'PYTHONUNBUFFERED': '1'}
    run = [directory / 'bin' / 'python', '-m', 'pip', 'install', '--no-deps']
    subprocess.run([*run, '--requirement', constraints], check=True, env=env, cwd=ROOT)


REPORT = """
import importlib, sys
print('python', sys.version.split()[0])
for name in ('centernet_plugin', 'torch', 'numpy', 'cv2', 'mmengine', 'mmcv', 'mmdet'):
    print(name, importlib.import_module(name).__version__)
import mmdet.models
"""


def base(stamp: str) -> list[str]:
    """Lines of a stamp that an environment cannot change without being made anew."""
    return [line for line in stamp.splitlines() if not line.startswith('files ')]


def create(directory: Path, inherit: bool) -> None:
    """A fresh virtual environment; ``inherit`` lets it see the packages of this interpreter."""
    try:
        venv.create(
            directory, clear=directory.exists(), with_pip=True, system_site_packages=inherit
        )
    except subprocess.CalledProcessError as error:
        print(
            'This Python cannot make a virtual environment with pip in it; on Debian and Ubuntu '
            'the package python3-venv is missing.',
            file=sys.stderr,
        )
        raise error
    if inherit and sys.prefix != sys.base_prefix:
        # An environment made from an environment would see the packages of the base Python only.
        outer = sysconfig.get_path('purelib')
        run = [
            directory / 'bin' / 'python',
            '-c',
            'import sysconfig as s; print(s.get_path("purelib"))',
        ]
        inner = subprocess.run(run, check=True, capture_output=True, text=True).stdout.strip()
        Path(inner, 'outer_environment.pth').write_text(f'{outer}\n')


def fingerprint(constraints: Path, torch: str, inherit: bool) -> str:
    """Text that changes whenever the environment has to be made anew."""
    digest = hashlib.sha256()
    for path in (constraints, Path(__file__), ROOT / 'setup.py', ROOT / 'pyproject.toml'):
        digest.update(path.read_bytes())
    lines = (
        f'family {constraints.stem}',
        f'python {sys.version.split()[0]}',
        f'torch {torch or ("inherited" if inherit else "pinned")}',
        f'checkout {ROOT}',
        f'files {digest.hexdigest()}',
    )
    return '\n'.join(lines) + '\n'


def read(constraints: Path) -> str:
    return constraints.read_text()


def without(constraints: Path, names: tuple[str, ...]) -> str:
    """The constraints less the lines that pin one of ``names``."""
    lines = read(constraints).splitlines(keepends=True)
    return ''.join(line for line in lines if re.split('[=<>; ]', line, maxsplit=1)[0] not in names)


def has_torch(python: Path) -> bool:
    return has_distribution(python, 'torch')


def has_distribution(python: Path, name: str) -> bool:
    code = f'import importlib.metadata as m; m.version({name!r})'
    return subprocess.run([python, '-c', code], capture_output=True).returncode == 0


def step(number: int, text: str, of: int = 5) -> None:
    print(f'[{number}/{of}] {text}', flush=True)


if __name__ == '__main__':
    sys.exit(main())
