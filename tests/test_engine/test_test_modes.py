"""What each way of testing makes of a config."""

from pathlib import Path

import pytest
from mmengine.config import Config

from centernet_plugin.engine.test_modes import TEST_MODES, use_mode, use_tta
from centernet_plugin.errors import UserInputError

CONFIGS = Path(__file__).parents[2] / 'configs/centernet'


@pytest.fixture
def cfg():
    return Config.fromfile(CONFIGS / 'centernet_r18_8xb16-warp512-140e_coco.py')


def scales(cfg):
    augment = cfg.test_dataloader.dataset.pipeline[-1]
    if augment.type != 'TestTimeAug':
        return None
    first = augment.transforms[0]
    return [step.scale for step in first if 'scale' in step] or [1]


@pytest.mark.parametrize('mode', TEST_MODES)
def test_modes(cfg, mode):
    use_mode(cfg, mode)
    assert cfg.model.type.endswith('TTA') == (mode != 'plain')
    assert cfg.model.get('flip', False) == ('flip' in mode)
    five = [0.5, 0.75, 1.0, 1.25, 1.5]
    assert scales(cfg) == {'plain': None, 'flip': [1]}.get(mode, five)
    assert (cfg.model if mode == 'plain' else cfg.model.module).type.endswith('.CenterNet')


def test_tta_is_the_config_s_own(cfg):
    cfg.tta_model.nms = dict(type='nms', iou_threshold=0.6)
    use_tta(cfg)
    assert cfg.model.nms.type == 'nms' and cfg.model.flip and len(scales(cfg)) == 5


def test_flip_needs_no_settings(cfg):
    cfg.pop('tta_model'), cfg.pop('tta_pipeline')
    use_mode(cfg, 'flip')
    assert cfg.model.type == 'centernet_plugin.CenterNetTTA'


def test_the_dataset_within_a_wrapper(cfg):
    inner = cfg.test_dataloader.dataset
    cfg.test_dataloader.dataset = dict(type='RepeatDataset', times=2, dataset=inner)
    use_mode(cfg, 'flip')
    assert cfg.test_dataloader.dataset.dataset.pipeline[-1].type == 'TestTimeAug'
    assert 'pipeline' not in cfg.test_dataloader.dataset


def test_what_is_missing_is_named(cfg):
    with pytest.raises(UserInputError, match="'fast'"):
        use_mode(cfg, 'fast')
    cfg.pop('tta_pipeline')
    for use in (use_tta, lambda c: use_mode(c, 'multi-scale')):
        with pytest.raises(UserInputError, match='tta_pipeline'):
            use(cfg)


@pytest.mark.parametrize('path', sorted(CONFIGS.glob('*.py')), ids=lambda path: path.stem)
def test_every_config_has_them(path):
    """And pads for its network, at the resolution that it is tested at."""
    cfg = Config.fromfile(path)
    plain = cfg.test_dataloader.dataset.pipeline
    use_tta(cfg)
    steps = cfg.test_dataloader.dataset.pipeline
    assert steps[-1].type == 'TestTimeAug' and cfg.model.flip
    (placed,) = [step for step in plain if 'type' in step and 'Load' not in step.type][:1]
    views = [step for step in steps if step.type == placed.type] or steps[-1].transforms[0]
    assert {view.type for view in views} == {placed.type}
    assert {view.get('pad') for view in views} == {placed.get('pad')}
    assert {str(view.get('size')) for view in views} == {str(placed.get('size'))}
    assert placed.get('scale', 1) in [view.get('scale', 1) for view in views]
