"""The ways to test a model: as it is, mirrored, at several scales."""

from mmengine.config import Config, ConfigDict

from ..errors import UserInputError

TEST_MODES = ('plain', 'flip', 'multi-scale', 'multi-scale+flip')
TTA_MODEL = dict(type='centernet_plugin.CenterNetTTA')


def use_mode(cfg: Config, mode: str) -> None:
    """Changes a config so that it is tested in one of the :data:`TEST_MODES`.

    ``'flip'`` mirrors what the test pipeline gives. The scales are those of ``tta_pipeline``.

    Args:
        cfg: changed in place.
        mode: one of the names.

    Raises:
        UserInputError: an unknown mode, or the config has no ``tta_pipeline`` to take scales from.
    """
    if mode not in TEST_MODES:
        raise UserInputError(f"unknown test mode '{mode}', choose one of {', '.join(TEST_MODES)}")
    if mode == 'plain':
        return
    pipeline = cfg.get('tta_pipeline')
    if mode == 'flip':
        *steps, last = _test_dataset(cfg).pipeline
        pipeline = [*steps, dict(type='TestTimeAug', transforms=[[last]])]
    cfg.tta_model = cfg.get('tta_model', TTA_MODEL) | dict(flip='flip' in mode)
    cfg.tta_pipeline = pipeline
    use_tta(cfg)


def use_tta(cfg: Config) -> None:
    """Puts the config's test-time augmentation in the place of its plain test.

    Raises:
        UserInputError: the config has none.
    """
    for name in ('tta_model', 'tta_pipeline'):
        if not cfg.get(name):
            raise UserInputError(f'testing with augmentation needs {name} in the config')
    cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)
    _test_dataset(cfg).pipeline = cfg.tta_pipeline


def _test_dataset(cfg: Config) -> ConfigDict:
    """The dataset with the test pipeline, within wrappers such as RepeatDataset."""
    dataset = cfg.test_dataloader.dataset
    while 'pipeline' not in dataset and 'dataset' in dataset:
        dataset = dataset.dataset
    return dataset
