"""Checkpoints that a full disk or a killed process cannot spoil."""

import os.path as osp
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook
from mmengine.runner import Runner

from ...errors import UserInputError
from ...models.detectors.unwrap import unwrap
from ...registry import HOOKS
from ..whole_files import WHOLE, WholeFileBackend, write_whole


@HOOKS.register_module()
class CheckpointHook(MMEngineCheckpointHook):
    """mmengine's CheckpointHook that removes old checkpoints only once the new one is whole.

    mmengine removes what ``max_keep_ckpts`` does not allow, and the best checkpoint so far, before
    it writes the next, and writes that and ``last_checkpoint`` in place: a full disk takes all of
    them. Here files are written beside their place and moved there. There has to be room for one
    checkpoint more than are kept.

    Weights that are not finite are not saved: the gradients of another process, whose loss was NaN,
    spoil them in all, although only that one knows it.

    On other storage than the local disk (``out_dir='s3://...'``) mmengine writes as ever.

    Args are mmengine's.

    Raises:
        UserInputError: a checkpoint cannot be written, or its weights are not finite; says why, and
            which is the last whole one.
    """

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        if self.file_client_args is None and type(self.file_backend) is LocalBackend:
            self.backend_args = dict(backend=WHOLE)
            self.file_backend = WholeFileBackend()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        backend = getattr(self, 'file_backend', None)
        if isinstance(backend, _PutOff):  # of several files in a row, the one before is whole now
            self._remove_all(backend.take_due())
        # Gradients reach parameters alone, and EMAHook's averages follow these.
        named = dict(unwrap(runner.model).named_parameters())
        bad = [name for name, value in named.items() if not torch.isfinite(value).all()]
        if bad:
            raise UserInputError(
                f'{len(bad)} of {len(named)} weights are not finite (such as {bad[0]}), as after a '
                f'loss that is NaN in one of the processes; {_last_whole(runner.work_dir)}'
            )

    def after_val_epoch(self, runner: Runner, metrics: dict) -> None:
        if hasattr(self, 'file_backend'):  # else nothing was trained that could be saved
            with self._removing_last(runner):
                super().after_val_epoch(runner, metrics)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        name = self.filename_tmpl.format(step)
        with self._removing_last(runner):
            if self.max_keep_ckpts > 0 and step not in self.keep_ckpt_ids:
                if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
                    self._remove(self.filename_tmpl.format(self.keep_ckpt_ids.popleft()))
                self.keep_ckpt_ids.append(step)
                runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
            self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
            runner.message_hub.update_info('last_ckpt', self.last_ckpt)
            runner.save_checkpoint(
                self.out_dir,
                name,
                file_client_args=self.file_client_args,
                save_optimizer=self.save_optimizer,
                save_param_scheduler=self.save_param_scheduler,
                meta=meta,
                by_epoch=self.by_epoch,
                backend_args=self.backend_args,
                **self.args,
            )
            if is_main_process():
                write_whole(osp.join(runner.work_dir, 'last_checkpoint'), self.last_ckpt.encode())

    def _remove(self, name: str) -> None:
        if not is_main_process():
            return
        path = self.file_backend.join_path(self.out_dir, name)
        if self.file_backend.isfile(path):
            self.file_backend.remove(path)
        elif self.file_backend.isdir(path):  # DeepSpeed's
            self.file_backend.rmtree(path)

    @contextmanager
    def _removing_last(self, runner: Runner) -> Iterator[None]:
        """Puts off what is removed in the block until what replaces it is whole."""
        if isinstance(self.file_backend, _PutOff):  # a better checkpoint, then the last one again
            yield
            return
        backend = self.file_backend
        self.file_backend = put_off = _PutOff(backend)
        try:
            yield
        except OSError as error:
            rest = _last_whole(runner.work_dir, 'make room, and ')
            raise UserInputError(
                f'a checkpoint could not be written ({error.strerror or error}); {rest}'
            ) from error
        finally:
            self.file_backend = backend
        self._remove_all(put_off.due + put_off.noted)

    def _remove_all(self, removals: list[tuple[Callable[[str], None], str]]) -> None:
        written = {self.last_ckpt, getattr(self, 'best_ckpt_path', None)}
        written.update(getattr(self, 'best_ckpt_path_dict', {}).values())
        for remove, path in removals:
            # Not what was written again, nor what a resumed checkpoint, perhaps of a stranger, says
            # that a best one is.
            if path not in written and osp.dirname(path) == osp.normpath(self.out_dir):
                remove(path)


class _PutOff:
    """A storage backend that only notes what it is told to remove.

    Attributes:
        noted: removals since the last file was begun, each a function and a path.
        due: those before, which that file replaces; to be done once it is whole.
    """

    def __init__(self, backend) -> None:
        self._backend = backend
        self.noted, self.due = [], []

    def __getattr__(self, name: str):
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        self.noted.append((self._backend.remove, path))

    def rmtree(self, path: str) -> None:
        self.noted.append((self._backend.rmtree, path))

    def take_due(self) -> list:
        """What can be removed when the next file is begun."""
        due, self.due, self.noted = self.due, self.noted, []
        return due


def _last_whole(work_dir: str, first: str = '') -> str:
    """What a training can go on from, once the user has done what comes ``first``."""
    pointer = osp.join(work_dir, 'last_checkpoint')
    if not osp.isfile(pointer):
        return 'there is no earlier checkpoint'
    with open(pointer) as file:
        return f"'{file.read().strip()}' is whole; {first}--resume goes on from there"
