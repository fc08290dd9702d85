"""A runner that writes its log to the file and leaves the terminal to a progress bar."""

import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator

from mmengine.logging import MMLogger
from mmengine.runner import Runner


class QuietRunner(Runner):
    """mmengine's Runner whose terminal shows errors only; its log file has everything."""

    def build_logger(self, *args, **kwargs) -> MMLogger:
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.setLevel(logging.ERROR)
        return logger

    def _log_env(self, env_cfg: dict) -> None:
        """As ever, without what the shell says where mmengine looks for a compiler in vain."""
        sys.stderr.flush()
        saved = os.dup(2)
        try:
            with open(os.devnull, 'w') as nothing:
                os.dup2(nothing.fileno(), 2)
            super()._log_env(env_cfg)
        finally:
            os.dup2(saved, 2)
            os.close(saved)


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Context without what ``print`` says and without the advice of optional packages."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='faster_coco_eval')
        warnings.filterwarnings('ignore', message='.*instance named of visualizer')
        yield
