"""Schedules with rates of their own, for ``auto_scale_lr``, which scales the optimizer's alone."""

from mmengine.runner import Runner

RATES = ('eta_max', 'eta_min')


def scale_schedules(runner: Runner) -> None:
    """Scales the rates that schedules name, where mmengine will scale that of the optimizer.

    OneCycleLR takes its largest rate from ``eta_max`` and nothing from the optimizer; annealing
    ends at ``eta_min``. Other schedules multiply what the optimizer has.

    Args:
        runner: before its training; changed where its config enables ``auto_scale_lr``.
    """
    scaling = runner.auto_scale_lr or {}
    if not scaling.get('enable') or runner.param_schedulers is None:
        return
    loader = runner._train_dataloader  # the settings, or what is built of them
    images = loader['batch_size'] if isinstance(loader, dict) else loader.batch_size
    ratio = runner.world_size * images / scaling['base_batch_size']  # as Runner.scale_lr
    for schedule in _settings(runner.param_schedulers):
        for name in RATES:
            rate = schedule.get(name)
            if not rate or not str(schedule['type']).endswith('LR'):  # of momentum, and so on
                continue
            several = isinstance(rate, list | tuple)  # one for each group of parameters
            schedule[name] = [one * ratio for one in rate] if several else rate * ratio
            runner.logger.info(f'Scaling {name} of {schedule["type"]} likewise.')


def _settings(schedules) -> list[dict]:
    """The settings of schedules, of one optimizer or of several by name."""
    if isinstance(schedules, dict) and 'type' not in schedules:
        return [one for part in schedules.values() for one in _settings(part)]
    schedules = schedules if isinstance(schedules, list | tuple) else [schedules]
    return [one for one in schedules if isinstance(one, dict)]  # else built already
