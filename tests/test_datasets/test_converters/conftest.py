import pytest
from box_formats import write_images


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    """The folder of the four images of ``box_formats.SIZES``."""
    return write_images(tmp_path_factory.mktemp('images'))
