"""Checks that stop a run before it spends hours on a mistake."""

import torch
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import Runner
from torch import nn

from ...errors import UserInputError
from ...models.branches import Branch
from ...models.dense_heads.centernet_head import HEATMAP, CenterNetHead
from ...models.detectors.unwrap import unwrap
from ...registry import HOOKS
from ..checkpoint_fit import misfit


@HOOKS.register_module()
class SanityCheckHook(Hook):
    """Compares the model with the data, and a checkpoint with the model.

    mmengine loads what fits of a checkpoint and only logs the rest, so a checkpoint of another
    architecture tests as a random network.

    Args:
        min_match: least share of the model's parameters that a checkpoint has to fill. The default
            lets a checkpoint with other classes be fine-tuned.
        complete_test: whether a test needs a checkpoint that fills the whole model.

    Raises:
        UserInputError: no batch to train on; two averages of the weights; ``num_classes`` is not
            the number of the dataset's classes; a branch has other joints than the dataset, or
            other pairs of them that a mirror exchanges; branches do not fit each other; too little
            of a checkpoint fits; or one that a training shall go on from is none of a training.
    """

    priority = 'ABOVE_NORMAL'  # EMAHook, at 49 or 50, takes a checkpoint as it comes

    def __init__(self, *, min_match: float = 0.5, complete_test: bool = True) -> None:
        self.min_match, self.complete_test = min_match, complete_test
        self._loaded = ''  # what a test would have to say about the checkpoint

    def before_train(self, runner: Runner) -> None:
        if len(runner.train_dataloader) == 0:
            loader = runner.train_dataloader
            raise UserInputError(
                f'the {len(loader.dataset)} training images do not fill one batch of '
                f'{loader.batch_size}, and drop_last drops what does not: nothing would be trained '
                'on; make the batch smaller'
            )
        _check_averages(runner.hooks)
        _check_dataset(runner.model, runner.train_dataloader.dataset, 'training')
        _check_branches(runner.model)
        self._loaded = ''  # what did not fit will be learnt

    def before_val(self, runner: Runner) -> None:
        _check_dataset(runner.model, runner.val_dataloader.dataset, 'validation')

    def before_test(self, runner: Runner) -> None:
        _check_dataset(runner.model, runner.test_dataloader.dataset, 'test')
        if self.complete_test and self._loaded:
            raise UserInputError(self._loaded)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if getattr(runner, '_resume', False):
            _check_resumable(checkpoint)
        if 'state_dict' not in checkpoint:  # bare weights; EMAHook takes them from there only
            checkpoint['state_dict'] = dict(checkpoint)
        self._loaded, share = misfit(unwrap(runner.model), checkpoint)
        if share < self.min_match:
            raise UserInputError(self._loaded)


def _check_resumable(checkpoint: dict) -> None:
    """Weights alone, converted or the best of a training, do not say where it was."""
    meta = checkpoint.get('meta', {})
    lacking = [name for name in ('epoch', 'iter') if not isinstance(meta.get(name), int)]
    parts = ('state_dict', 'message_hub', 'optimizer')
    lacking += [name for name in parts if not isinstance(checkpoint.get(name), dict)]
    if lacking:
        raise UserInputError(
            f'no training can go on from this checkpoint, it lacks: {", ".join(lacking)}; to start '
            'a training from its weights, use load_from=FILE (--cfg-options load_from=FILE) '
            'without --resume'
        )


def _check_averages(hooks: list[Hook]) -> None:
    """Two exchange weights and averages around a validation in an order that does not cancel."""
    count = sum(isinstance(hook, EMAHook) for hook in hooks)
    if count > 1:
        raise UserInputError(
            f'custom_hooks has {count} times EMAHook, which would train on with the average as '
            'weights after every validation; leave one (the modern configs have it already)'
        )


def _check_dataset(model: nn.Module, dataset, phase: str) -> None:
    _check_num_classes(model, dataset, phase)
    for branch in unwrap(model).modules():
        if isinstance(branch, Branch):
            _check_joints(branch, dataset.metainfo, phase)


def _check_branches(model: nn.Module) -> None:
    """Branches that lack another one fail in decoding, which else comes hours later."""
    for head in unwrap(model).modules():
        if isinstance(head, CenterNetHead):
            channels = {HEATMAP: head.num_classes} | {b.name: b.channels for b in head.branches}
            device = next(head.parameters()).device
            maps = {name: torch.zeros(1, n, 2, 2, device=device) for name, n in channels.items()}
            with torch.no_grad():
                head.predict_by_feat((maps,), [dict(img_shape=(2 * head.stride,) * 2)])


def _check_joints(branch: Branch, metainfo: dict, phase: str) -> None:
    """The mirrored test with wrong pairs gives wrong joints, and nothing else would say so."""
    joints, names = getattr(branch, 'num_joints', None), metainfo.get('keypoints')
    if joints is None or names is None:
        return
    if joints != len(names):
        raise UserInputError(
            f"branch '{branch.name}' has num_joints={joints}, but the {phase} set has {len(names)} "
            f'joints {tuple(names[:5])}{"…" if len(names) > 5 else ""}; make them agree'
        )
    pairs = metainfo.get('flip_pairs')
    if pairs is not None and _unordered(pairs) != _unordered(branch.flip_pairs):
        raise UserInputError(
            f"branch '{branch.name}' has flip_pairs={branch.flip_pairs}, but those of the {phase} "
            f'set are {[tuple(pair) for pair in pairs]}; make them agree'
        )


def _unordered(pairs) -> set[frozenset[int]]:
    return {frozenset(pair) for pair in pairs}


def _check_num_classes(model: nn.Module, dataset, phase: str) -> None:
    classes = dataset.metainfo.get('classes')
    if classes is None:
        return
    if isinstance(classes, str):
        classes = (classes,)
    for name, module in unwrap(model).named_modules():
        num_classes = getattr(module, 'num_classes', None)
        # A backbone may have ImageNet's classes, and a proposal network has one.
        is_head = name.split('.')[-1] in ('bbox_head', 'mask_head')
        if is_head and isinstance(num_classes, int) and num_classes != len(classes):
            raise UserInputError(
                f'{name}.num_classes is {num_classes}, but the {phase} set has {len(classes)} '
                f'classes {tuple(classes[:5])}{"…" if len(classes) > 5 else ""}; make them agree'
            )
