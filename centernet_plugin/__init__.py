"""CenterNet ("Objects as Points", arXiv 1904.07850) for MMDetection.

Importing this package registers its components in the scope ``centernet_plugin``.
"""

from . import compat

compat.setup()  # before anything of mmdet is imported

from . import datasets, engine, models  # noqa: E402
from .version import __version__  # noqa: E402

__all__ = ['__version__', 'compat', 'datasets', 'engine', 'models']
