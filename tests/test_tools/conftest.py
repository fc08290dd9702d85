"""Scripts as modules, and their command lines without a process for each."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope='session')
def load_script() -> Callable[[Path], ModuleType]:
    """Imports a script under its name."""

    def load(path):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def call_script(monkeypatch, capsys) -> Callable[..., tuple]:
    """Runs a loaded script with arguments: its exit code, and what it printed."""

    def call(script, *args):
        monkeypatch.setattr(sys, 'argv', [script.__file__, *map(str, args)])
        try:
            code = script.cli.run(script.main)
        except SystemExit as stop:
            code = stop.code
        return code, capsys.readouterr()

    return call
