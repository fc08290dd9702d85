"""All that papers over the surroundings; ``setup`` runs before anything of mmdet is imported.

``python -m centernet_plugin.compat --help`` writes the placeholder for mmcv's compiled operators
into the installed mmcv, so that scripts which import mmdet before this package work as well.
"""

from . import versions

__all__ = ['setup']


def setup() -> None:
    """Check versions, supply what mmcv and mmengine lack here. Safe to call again.

    Raises:
        RuntimeError: unsupported or missing packages, or mmdet was imported too early.
    """
    versions.check()
    from . import checkpoint, config, ext  # these need what has just been checked

    ext.install()
    checkpoint.read_checkpoints_as_data()
    config.register_scope()
