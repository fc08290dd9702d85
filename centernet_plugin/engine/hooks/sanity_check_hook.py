"""Checks that stop a run before it spends hours on a mistake."""

from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from ...errors import UserInputError
from ...registry import HOOKS


@HOOKS.register_module()
class SanityCheckHook(Hook):
    """Compares the model with the data, and a checkpoint with the model.

    mmengine loads what fits of a checkpoint and only logs the rest, so a checkpoint of another
    architecture tests as a random network.

    Args:
        min_match: least share of the model's parameters that a checkpoint has to fill. The default
            lets a checkpoint with other classes be fine-tuned.

    Raises:
        UserInputError: no batch to train on; ``num_classes`` is not the number of the dataset's
            classes; or too little of a checkpoint fits.
    """

    def __init__(self, *, min_match: float = 0.5) -> None:
        self.min_match = min_match

    def before_train(self, runner: Runner) -> None:
        if len(runner.train_dataloader) == 0:
            loader = runner.train_dataloader
            raise UserInputError(
                f'the {len(loader.dataset)} training images do not fill one batch of '
                f'{loader.batch_size}, and drop_last drops what does not: nothing would be trained '
                'on; make the batch smaller'
            )
        _check_num_classes(runner.model, runner.train_dataloader.dataset, 'training')

    def before_val(self, runner: Runner) -> None:
        _check_num_classes(runner.model, runner.val_dataloader.dataset, 'validation')

    def before_test(self, runner: Runner) -> None:
        _check_num_classes(runner.model, runner.test_dataloader.dataset, 'test')

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        given = checkpoint.get('state_dict', checkpoint)
        given = {name.removeprefix('module.'): value for name, value in given.items()}
        wanted = dict(_unwrap(runner.model).named_parameters())
        fits = {n for n, p in wanted.items() if n in given and given[n].shape == p.shape}
        total = sum(p.numel() for p in wanted.values())
        share = sum(wanted[name].numel() for name in fits) / max(total, 1)
        if share < self.min_match:
            wrong = next((name for name in wanted if name not in fits), None)
            raise UserInputError(
                f'the checkpoint is of another architecture than the config: {len(fits)} of '
                f"{len(wanted)} parameter tensors ({share:.0%} of the numbers) fit, '{wrong}' is "
                'the first that does not'
            )


def _unwrap(model: nn.Module) -> nn.Module:
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def _check_num_classes(model: nn.Module, dataset, phase: str) -> None:
    classes = dataset.metainfo.get('classes')
    if classes is None:
        return
    if isinstance(classes, str):
        classes = (classes,)
    for name, module in _unwrap(model).named_modules():
        num_classes = getattr(module, 'num_classes', None)
        # A backbone may have ImageNet's classes, and a proposal network has one.
        is_head = name.split('.')[-1] in ('bbox_head', 'mask_head')
        if is_head and isinstance(num_classes, int) and num_classes != len(classes):
            raise UserInputError(
                f'{name}.num_classes is {num_classes}, but the {phase} set has {len(classes)} '
                f'classes {tuple(classes[:5])}{"…" if len(classes) > 5 else ""}; make them agree'
            )
