"""The switches that make training and testing faster, one by one."""

from collections.abc import Iterable

from mmengine.config import Config

from ..errors import UserInputError

HOOK = 'centernet_plugin.AccelerateHook'
SWITCHES = (
    'device colours',
    'cut and resize',
    'channels last',
    'compiled network',
    'compiled loss',
    'bfloat16',
    'folded batch norms',
)


def set_switches(cfg: Config, names: Iterable[str]) -> None:
    """Changes a config of this package so that these switches are on and all others off.

    Args:
        cfg: changed in place.
        names: of :data:`SWITCHES`. ``'bfloat16'`` is of training, ``'folded batch norms'`` of
            testing, the others of both where they apply.

    Raises:
        UserInputError: an unknown name, or a training pipeline that has not our augmentation.
    """
    on = set(names)
    unknown = sorted(on - set(SWITCHES))
    if unknown:
        raise UserInputError(
            f"unknown switch '{unknown[0]}', choose some of: {', '.join(SWITCHES)}"
        )
    steps = {step.type: step for step in cfg.train_dataloader.dataset.get('pipeline', ())}
    try:
        crop, colors = (
            steps[f'centernet_plugin.{name}'] for name in ('RandomCropAffine', 'PaperColorJitter')
        )
        pack = next(step for kind, step in steps.items() if kind.endswith('.PackDetInputs'))
    except (KeyError, StopIteration) as error:
        raise UserInputError(
            'the training pipeline needs RandomCropAffine, PaperColorJitter and PackDetInputs, as '
            'in the shipped configs'
        ) from error
    crop.resample = 'resize' if 'cut and resize' in on else 'warp'
    colors.on_device = 'device colours' in on
    pack.type, cfg.model.data_preprocessor.type = (
        ('centernet_plugin.PackDetInputs', 'centernet_plugin.DataPreprocessor')
        if colors.on_device
        else ('mmdet.PackDetInputs', 'mmdet.DetDataPreprocessor')
    )
    head = cfg.model.bbox_head
    head.loss_heatmap = dict(
        head.get('loss_heatmap') or dict(type='centernet_plugin.HeatmapFocalLoss'),
        compile='compiled loss' in on,
    )
    cfg.optim_wrapper.type = (
        'centernet_plugin.AutocastOptimWrapper' if 'bfloat16' in on else 'OptimWrapper'
    )
    hooks = [hook for hook in cfg.get('custom_hooks') or [] if hook['type'] != HOOK]
    hook = dict(
        type=HOOK,
        channels_last='channels last' in on,
        compile='compiled network' in on,
        fold_batch_norm='folded batch norms' in on,
    )
    if any(value is True for value in hook.values()):
        hooks.append(hook)
    cfg.custom_hooks = hooks
