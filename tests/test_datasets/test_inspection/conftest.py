import pytest
from mmengine.registry import DefaultScope
from tiny_set import TinySet


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


@pytest.fixture
def tiny(tmp_path):
    return TinySet(tmp_path)
