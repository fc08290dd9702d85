"""Files that are there whole or not at all."""

import os
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

WHOLE = 'centernet_plugin.whole'  # for backend_args=dict(backend=...)


class WholeFileBackend(LocalBackend):
    """mmengine's LocalBackend whose files are whole, even after a full disk or a killed process."""

    def put(self, obj: bytes | memoryview, filepath: str | Path) -> None:
        os.makedirs(os.path.dirname(filepath) or '.', exist_ok=True)
        write_whole(filepath, obj)


register_backend(WHOLE, WholeFileBackend, force=True)


def write_whole(path: str | Path, content: bytes | memoryview, *, sync: bool = True) -> None:
    """Write a file beside ``path``, ``.part`` behind its name, and move it there.

    Args:
        path: of the file.
        content: all of it.
        sync: whether to wait until it is on the disk. A full network disk says so only then; of
            thousands of small files, each would wait.

    Raises:
        OSError: there is no room, or no right; ``path`` is as before.
    """
    part = f'{path}.part'
    try:
        with open(part, 'wb') as file:
            file.write(content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        if os.path.exists(part):
            os.remove(part)
        raise
