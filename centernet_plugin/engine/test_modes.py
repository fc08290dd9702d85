"""The ways to test a model: as it is, mirrored, at several scales."""

import math
from collections.abc import Iterator, Sequence

from mmengine.config import Config, ConfigDict

from ..errors import UserInputError

TEST_MODES = ('plain', 'flip', 'multi-scale', 'multi-scale+flip')
TTA_MODEL = dict(type='centernet_plugin.CenterNetTTA')
IN_SPACE = ('DepthBranch', 'DimensionBranch', 'OrientationBranch')


def use_mode(cfg: Config, mode: str) -> None:
    """Changes a config so that it is tested in one of the :data:`TEST_MODES`.

    ``'flip'`` mirrors what the test pipeline gives. The scales are those of ``tta_pipeline``.

    Args:
        cfg: changed in place.
        mode: one of the names.

    Raises:
        UserInputError: an unknown mode, a ``tta_model`` other than ``CenterNetTTA``, none for a
            model of boxes in space, or the config has no ``tta_pipeline`` to take several scales
            from.
    """
    if mode not in TEST_MODES:
        raise UserInputError(f"unknown test mode '{mode}', choose one of {', '.join(TEST_MODES)}")
    if mode == 'plain':
        return
    if not cfg.get('tta_model') and _has_type(cfg.model, IN_SPACE):
        raise UserInputError(
            f'--test-mode {mode}: no augmented test of boxes in space is published, and no camera '
            'sees a mirrored image; to do it all the same, give the config '
            f'tta_model=dict(type={TTA_MODEL["type"]!r})'
        )
    tta_model = ConfigDict(cfg.get('tta_model') or TTA_MODEL)
    if not _is_centernet_tta(tta_model):
        raise UserInputError(
            f"--test-mode {mode} needs the tta_model '{TTA_MODEL['type']}', "
            f"the config has '{tta_model.get('type')}'; --tta tests with that"
        )
    tta_model.flip = 'flip' in mode
    cfg.tta_model = tta_model
    if mode == 'flip':
        for dataset in _test_datasets(cfg.test_dataloader.dataset):
            *steps, last = dataset.pipeline
            dataset.pipeline = [*steps, dict(type='TestTimeAug', transforms=[[last]])]
        _wrap_model(cfg)
        return
    _check_tta(cfg)
    if num_views(cfg.tta_pipeline) == 1:
        raise UserInputError(f"tta_pipeline has one scale only, test mode '{mode}' needs several")
    use_tta(cfg)


def use_tta(cfg: Config) -> None:
    """Puts the config's test-time augmentation in the place of its plain test.

    Raises:
        UserInputError: the config has none, or one that its model cannot work with.
    """
    _check_tta(cfg)
    for dataset in _test_datasets(cfg.test_dataloader.dataset):
        dataset.pipeline = cfg.tta_pipeline
    _wrap_model(cfg)


def test_pipeline(cfg: Config) -> list[dict] | None:
    """What images go through in a test: the pipeline of the test set, of the first of several.

    Without a test set, the config's ``test_pipeline``, which some configs have for that alone.
    """
    dataset = (cfg.get('test_dataloader') or {}).get('dataset')
    if dataset is None:
        return cfg.get('test_pipeline')
    return next(_test_datasets(dataset)).pipeline


def num_views(pipeline: Sequence[dict] | None) -> int:
    """How many views of an image a pipeline gives; 0 if it does not end in ``TestTimeAug``."""
    if not pipeline or not _name(pipeline[-1]).endswith('TestTimeAug'):
        return 0
    return math.prod(len(choices) for choices in pipeline[-1]['transforms'])


def _check_tta(cfg: Config) -> None:
    """Fails where the config's test-time augmentation would fail, or test something else."""
    for name in ('tta_model', 'tta_pipeline'):
        if not cfg.get(name):
            raise UserInputError(f'testing with augmentation needs {name} in the config')
    if not num_views(cfg.tta_pipeline):
        raise UserInputError('tta_pipeline has to end in TestTimeAug, with its transforms')
    if _is_centernet_tta(cfg.tta_model) and _has_type(cfg.tta_pipeline, ('RandomFlip',)):
        raise UserInputError(
            'CenterNetTTA mirrors the images itself; take RandomFlip out of tta_pipeline'
        )


def _wrap_model(cfg: Config) -> None:
    cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)


def _test_datasets(dataset: ConfigDict) -> Iterator[ConfigDict]:
    """The datasets with a test pipeline, within wrappers such as Repeat- and ConcatDataset."""
    if 'pipeline' in dataset:
        yield dataset
    elif 'dataset' in dataset:
        yield from _test_datasets(dataset.dataset)
    else:
        if not dataset.get('datasets'):
            raise UserInputError(f"the test dataset '{_name(dataset)}' has no pipeline")
        for part in dataset.datasets:
            yield from _test_datasets(part)


def _has_type(settings: object, kinds: tuple[str, ...]) -> bool:
    """Whether anything within settings is of a type whose name ends like one of ``kinds``."""
    if isinstance(settings, dict):
        inside = any(_has_type(value, kinds) for value in settings.values())
        return inside or _name(settings).endswith(kinds)
    return isinstance(settings, (list, tuple)) and any(_has_type(one, kinds) for one in settings)


def _is_centernet_tta(tta_model: dict) -> bool:
    return _name(tta_model).endswith('CenterNetTTA')


def _name(settings: dict) -> str:
    """The type of what ``settings`` describe; configs may also give the class itself."""
    kind = settings.get('type')
    return getattr(kind, '__name__', str(kind))
