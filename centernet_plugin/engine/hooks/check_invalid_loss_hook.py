"""Stops a training whose loss is no longer a number, and says at which images."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mmdet.engine.hooks import CheckInvalidLossHook as MMDetCheckInvalidLossHook
from mmengine.dist import get_rank
from mmengine.runner import Runner
from torch import Tensor

from ...arrays import to_numpy
from ...errors import UserInputError
from ...registry import HOOKS

NAMED = 4  # images in the message


@HOOKS.register_module()
class CheckInvalidLossHook(MMDetCheckInvalidLossHook):
    """mmdet's CheckInvalidLossHook that sees every iteration and names the images of a bad one.

    It waits for no device: mmengine's ``RuntimeInfoHook`` has fetched the losses for the log. No
    checkpoint is saved after a loss that was NaN or infinite. Of several processes only the one
    with that loss stops here; what its gradients did to the others, ``CheckpointHook`` sees before
    it saves.

    The batch is written to ``invalid_loss_iter_N.json`` in the work dir: all losses, and what the
    data samples say of their images, with boxes in pixels of the network's input. A number that is
    not finite is text there, ``"nan"`` or ``"-inf"``, since json knows none.

    Args:
        interval: look at every so many iterations only; what is saved between may be spoilt.

    Raises:
        UserInputError: the loss was not finite; names iteration, losses, images and that file.
    """

    def __init__(self, interval: int = 1) -> None:
        super().__init__(interval)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch=None, outputs: dict | None = None
    ) -> None:
        if (
            not outputs
            or 'loss' not in outputs
            or not self.every_n_train_iters(runner, self.interval)
        ):
            return
        fetched = runner.message_hub.log_scalars.get('train/loss')
        loss = outputs['loss'] if fetched is None else fetched.current()
        if not math.isfinite(loss):
            samples = data_batch.get('data_samples') if isinstance(data_batch, Mapping) else None
            _stop(runner, outputs, samples or ())


def _stop(runner: Runner, outputs: dict, samples: Sequence) -> None:
    """Write the file and raise."""
    losses = {name: to_numpy(value) for name, value in outputs.items()}
    images = [_describe(sample) for sample in samples]
    iteration, rank = runner.iter + 1, get_rank()
    name = f'invalid_loss_iter_{iteration}' + (f'_rank_{rank}' if rank else '') + '.json'
    path = Path(runner.work_dir, name)
    content = dict(iteration=iteration, losses=to_plain(losses), images=images)
    path.write_text(json.dumps(content, indent=1, allow_nan=False))
    bad = [name for name, v in losses.items() if name != 'loss' and not np.isfinite(v).all()]
    names = [str(image.get('img_path', image.get('img_id'))) for image in images]
    shown = ', '.join(map(repr, names[:NAMED])) + (', …' if len(names) > NAMED else '')
    raise UserInputError(
        f'the loss is {losses["loss"]} ({", ".join(bad) or "the sum"}) in iteration '
        f"{iteration}, with the images {shown}; '{path}' has their boxes and all losses. Check "
        'the annotations with tools/analysis_tools/check_dataset.py, and try a lower learning rate '
        'or a longer warm-up, optim_wrapper.clip_grad.max_norm=35, or float32 instead of --amp; '
        '--resume goes on from the last checkpoint'
    )


def _describe(sample) -> dict:
    """What a data sample says of its image, in what json knows."""
    described = {key: to_plain(value) for key, value in sample.metainfo.items()}
    for part in ('gt_instances', 'ignored_instances'):
        if part in sample:
            described[part] = {key: to_plain(v) for key, v in sample.get(part).items()}
    return described


def to_plain(value):
    """Arrays, tensors, boxes and containers of them as lists and numbers; the rest as text.

    Also NaN and infinity, which json does not know.
    """
    value = getattr(value, 'tensor', value)  # mmdet's boxes
    if isinstance(value, Tensor | np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): to_plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple | set):
        return [to_plain(v) for v in value]
    return value if isinstance(value, str | int | float | None) else str(value)
