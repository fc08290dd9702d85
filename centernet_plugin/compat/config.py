"""``centernet_plugin::`` in ``_base_`` of a config."""

from mmengine.config import utils

NAME = 'centernet_plugin'


def register_scope() -> None:
    """Let configs inherit from ours by ``centernet_plugin::folder/name.py``.

    mmengine has a closed list of packages for that syntax. It is read while a config is parsed,
    so this works in programs that import the package first, and resolves only where the configs
    lie in the installed package (``.mim``).
    """
    utils.MODULE2PACKAGE.setdefault(NAME, NAME)
