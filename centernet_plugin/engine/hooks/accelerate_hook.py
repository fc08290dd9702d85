"""Faster training and testing of the same network, by a line in the config."""

import copy

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from ...deploy import accelerate, compile_parts, use_channels_last
from ...errors import UserInputError
from ...models.detectors.unwrap import unwrap
from ...registry import HOOKS

DTYPES = ('bfloat16', 'float16')


@HOOKS.register_module()
class AccelerateHook(Hook):
    """Arranges the network for speed; checkpoints have the names and shapes that they always have.

    Training, and validation within it, run with channels last and compiled. A test runs on a copy
    that also has its batch norms folded, made once weights are loaded and averaged ones are in
    their place; afterwards the runner has its own model again.

    Args:
        channels_last: see :func:`~centernet_plugin.deploy.accelerate.accelerate`.
        compile: likewise.
        fold_batch_norm: likewise, in tests.
        dtype: likewise, in tests, as a string. How a model trains is said by ``optim_wrapper``.

    Raises:
        UserInputError: another ``dtype``; when it starts: ``compile`` without a compiler.
    """

    priority = 'ABOVE_NORMAL'  # EMAHook, at 49 or 50, copies the model before the run

    def __init__(
        self,
        *,
        channels_last: bool = True,
        compile: bool | dict = False,
        fold_batch_norm: bool = True,
        dtype: str | None = None,
    ) -> None:
        if dtype is not None and dtype not in DTYPES:
            raise UserInputError(f'dtype is one of {DTYPES} or None, got {dtype!r}')
        self.channels_last, self.compile = channels_last, compile
        self.fold_batch_norm = fold_batch_norm
        self.dtype = getattr(torch, dtype) if dtype else None
        self._model = None  # the runner's own, while another one is tested

    def before_run(self, runner: Runner) -> None:
        if self.channels_last:
            use_channels_last(unwrap(runner.model))

    def before_train(self, runner: Runner) -> None:
        if self.compile:
            compile_parts(unwrap(runner.model), self.compile)

    def before_test_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        # Not before the epoch: that is when EMAHook, which comes later, puts its weights in place.
        if batch_idx > 0:
            return
        self._model = model = runner.model
        while is_model_wrapper(model):  # several processes test without a word to each other
            model = model.module
        runner.model = accelerate(
            copy.deepcopy(model),
            fold_batch_norm=self.fold_batch_norm,
            channels_last=self.channels_last,
            compile=self.compile,
            dtype=self.dtype,
        )

    def after_test_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        if self._model is not None:
            runner.model, self._model = self._model, None
