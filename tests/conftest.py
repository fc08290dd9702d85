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
