"""Fixtures of all tests. Importing the plugin first lets mmdet import without compiled ops."""

import os
from pathlib import Path

# One thread per process, here and in the scripts that tests call: on tensors of test size more of
# them wait for each other, and on a busy machine for a long time (measured: four times).
os.environ.setdefault('OMP_NUM_THREADS', '1')

import numpy as np
import pytest

import centernet_plugin  # noqa: F401

DATA = Path(__file__).parent / 'data'


@pytest.fixture
def steps():
    """Numbers of the original code: ``steps('targets')`` opens ``data/steps/targets.npz``."""
    return lambda name: np.load(DATA / 'steps' / f'{name}.npz')


@pytest.fixture
def tried(record_property):
    """``tried(n)`` says that a fuzz test has tried n inputs; the sum ends the tests' output."""
    total = 0

    def count(inputs: int = 1) -> None:
        nonlocal total
        total += inputs

    yield count
    record_property(TRIED, total)


TRIED = 'inputs tried'
counts: dict[str, int] = {}


def pytest_runtest_logreport(report) -> None:
    if report.when == 'teardown':  # which also comes from the processes of pytest-xdist
        for name, value in report.user_properties:
            if name == TRIED:
                test = report.nodeid.split('[')[0]
                counts[test] = counts.get(test, 0) + value


def pytest_terminal_summary(terminalreporter) -> None:
    if counts:
        terminalreporter.section('fuzz: inputs tried')
        for test, value in sorted(counts.items()):
            terminalreporter.line(f'{value:8,}  {test}')
        terminalreporter.line(f'{sum(counts.values()):8,}  in all')
