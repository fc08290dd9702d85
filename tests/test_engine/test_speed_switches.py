from pathlib import Path

import pytest
from mmengine.config import Config

from centernet_plugin.engine.speed_switches import HOOK, SWITCHES, set_switches
from centernet_plugin.errors import UserInputError

CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / 'centernet'


@pytest.fixture
def load():
    return lambda: Config.fromfile(CONFIGS / 'centernet_r18_1xb4-crop256-24e_bccd.py')


def look(cfg):
    """Which switches a config has on, read off where each one acts."""
    crop, colors, pack = cfg.train_dataloader.dataset.pipeline[2:5]
    hooks = [hook for hook in cfg.custom_hooks if hook['type'] == HOOK]
    hook = hooks[0] if hooks else {}
    assert len(hooks) <= 1
    on_device = [
        colors.on_device,
        pack.type == 'centernet_plugin.PackDetInputs',
        cfg.model.data_preprocessor.type == 'centernet_plugin.DataPreprocessor',
    ]
    assert len(set(on_device)) == 1, 'both sides or none'
    states = (
        colors.on_device,
        crop.resample == 'resize',
        hook.get('channels_last', False),
        hook.get('compile', False),
        cfg.model.bbox_head.loss_heatmap.compile,
        cfg.optim_wrapper.type == 'centernet_plugin.AutocastOptimWrapper',
        hook.get('fold_batch_norm', False),
    )
    return {name for name, state in zip(SWITCHES, states, strict=True) if state}


@pytest.mark.parametrize('names', [(), SWITCHES, *[(name,) for name in SWITCHES]])
def test_these_are_on_and_all_others_off(load, names):
    cfg = load()
    other_hooks = [hook for hook in cfg.custom_hooks if hook['type'] != HOOK]
    for start in ((), SWITCHES):  # whatever was on before
        set_switches(cfg, start)
        set_switches(cfg, names)
        assert look(cfg) == set(names)
    assert [hook for hook in cfg.custom_hooks if hook['type'] != HOOK] == other_hooks
    assert cfg.model.bbox_head.loss_heatmap.clamp is None, 'the rest of the loss stays'


def test_what_cannot_be_switched_is_named(load):
    with pytest.raises(UserInputError, match="'turbo'.*channels last"):
        set_switches(load(), ['turbo'])
    cfg = load()
    del cfg.train_dataloader.dataset.pipeline[2]
    with pytest.raises(UserInputError, match='RandomCropAffine'):
        set_switches(cfg, [])
