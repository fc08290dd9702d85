"""A benchmark of tiny sizes."""

import pytest

from centernet_plugin.benchmark import compiling
from centernet_plugin.benchmark.pictures import Pictures
from centernet_plugin.benchmark.settings import Settings
from centernet_plugin.datasets.synthetic import generate


@pytest.fixture(scope='session')
def picture_folder(tmp_path_factory):
    """Two images of 64 x 96."""
    folder = tmp_path_factory.mktemp('pictures')
    return generate(folder / 'set', num_train=2, num_val=1, image_size=(64, 96), progress=False)


@pytest.fixture
def tiny(picture_folder, monkeypatch):
    """Settings that take fractions of a second; nothing is compiled."""
    monkeypatch.setattr(compiling, 'can_compile', lambda kind: False)
    return Settings(
        images=2,
        objects=6,
        classes=3,
        size=96,
        train_images=1,
        repeat=2,
        pictures=Pictures(picture_folder, count=2),
    )
