"""CenterNet ("Objects as Points", arXiv 1904.07850) for MMDetection.

Importing this package registers its components in the scope ``centernet_plugin``.
"""

from . import compat

compat.setup()  # before anything of mmdet is imported

from . import datasets, engine, models  # noqa: E402
from .models import DataPreprocessor  # noqa: E402
from .version import __version__  # noqa: E402

# DataPreprocessor: mmengine builds a model's in its own registry, which does not know the scopes
# below mmdet's, and takes `centernet_plugin.DataPreprocessor` for the path of an object.
__all__ = ['DataPreprocessor', '__version__', 'compat', 'datasets', 'engine', 'models']
