"""Fixtures of all tests. Importing the plugin first lets mmdet import without compiled ops."""

from pathlib import Path

import numpy as np
import pytest

import centernet_plugin  # noqa: F401

DATA = Path(__file__).parent / 'data'


@pytest.fixture
def steps():
    """Numbers of the original code: ``steps('targets')`` opens ``data/steps/targets.npz``."""
    return lambda name: np.load(DATA / 'steps' / f'{name}.npz')
