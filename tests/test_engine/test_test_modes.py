"""What each way of testing makes of a config."""

import copy
from pathlib import Path

import pytest
from mmengine.config import Config

from centernet_plugin.engine.test_modes import TEST_MODES, num_views, use_mode, use_tta
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


@pytest.mark.parametrize('mode', ['flip', 'multi-scale'])
def test_modes_keep_the_settings_of_tta_model(cfg, mode):
    cfg.tta_model.nms = dict(type='nms', iou_threshold=0.6)
    use_mode(cfg, mode)
    assert cfg.model.nms == dict(type='nms', iou_threshold=0.6)
    assert cfg.model.flip == (mode == 'flip')


def test_flip_has_one_view(cfg):
    *steps, last = cfg.test_dataloader.dataset.pipeline
    use_mode(cfg, 'flip')
    pipeline = cfg.test_dataloader.dataset.pipeline
    assert pipeline[:-1] == steps and last.type == 'centernet_plugin.PackDetInputs'
    assert pipeline[-1] == dict(type='TestTimeAug', transforms=[[last]])
    assert num_views(pipeline) == 1


def test_number_of_views():
    augment = dict(type='mmcv.TestTimeAug', transforms=[[{}, {}, {}], [{}], [{}, {}]])
    assert num_views([dict(type='LoadImageFromFile'), augment]) == 6
    assert num_views([augment, dict(type='LoadImageFromFile')]) == 0
    assert num_views(None) == num_views([]) == 0


@pytest.mark.parametrize('mode', ['flip', 'multi-scale'])
def test_the_datasets_within_wrappers(cfg, mode):
    inner = cfg.test_dataloader.dataset
    repeated = dict(type='RepeatDataset', times=2, dataset=inner)
    both = dict(type='mmdet.ConcatDataset', datasets=[repeated, copy.deepcopy(inner)])
    cfg.test_dataloader.dataset = dict(type='RepeatDataset', times=1, dataset=both)
    use_mode(cfg, mode)
    outer = cfg.test_dataloader.dataset
    first, second = outer.dataset.datasets
    for dataset in (first.dataset, second):
        assert dataset.pipeline[-1].type == 'TestTimeAug'
        assert num_views(dataset.pipeline) == (1 if mode == 'flip' else 5)
    assert not any('pipeline' in wrapper for wrapper in (outer, outer.dataset, first))


def test_a_dataset_without_pipeline(cfg):
    cfg.test_dataloader.dataset.pop('pipeline')
    with pytest.raises(UserInputError, match='CocoDataset.* has no pipeline'):
        use_mode(cfg, 'flip')


@pytest.mark.parametrize('mode', ['multi-scale', 'multi-scale+flip'])
def test_one_scale_is_not_several(cfg, mode):
    scales = cfg.tta_pipeline[-1].transforms[0]
    cfg.tta_pipeline[-1].transforms[0] = scales[:1]
    with pytest.raises(UserInputError, match='tta_pipeline has one scale only'):
        use_mode(cfg, mode)
    cfg.tta_pipeline[-1].transforms[0] = scales[:2]
    use_mode(cfg, mode)


@pytest.mark.parametrize('mode', [mode for mode in TEST_MODES if mode != 'plain'])
def test_modes_are_those_of_our_model(cfg, mode):
    cfg.tta_model = dict(type='mmdet.DetTTAModel')
    with pytest.raises(UserInputError, match="--test-mode .*CenterNetTTA.*'mmdet.DetTTAModel'"):
        use_mode(cfg, mode)


def test_images_are_not_mirrored_twice(cfg):
    flips = [dict(type='mmdet.RandomFlip', prob=prob) for prob in (1.0, 0.0)]
    cfg.tta_pipeline[-1].transforms.insert(1, flips)
    for use in (use_tta, lambda c: use_mode(c, 'multi-scale')):
        with pytest.raises(UserInputError, match='take RandomFlip out of tta_pipeline'):
            use(cfg)
    cfg.tta_model = dict(type='mmdet.DetTTAModel')  # which wants them so
    use_tta(cfg)
    assert num_views(cfg.test_dataloader.dataset.pipeline) == 10


def test_views_are_needed(cfg):
    cfg.tta_pipeline = cfg.test_dataloader.dataset.pipeline
    for use in (use_tta, lambda c: use_mode(c, 'multi-scale')):
        with pytest.raises(UserInputError, match='has to end in TestTimeAug'):
            use(cfg)


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


def test_boxes_in_space_have_no_augmented_test():
    cfg = Config.fromfile(
        CONFIGS.parent / 'kitti/centernet_dla34-dcnv2_2xb8-warp1280x384-70e_kitti.py'
    )
    use_mode(cfg, 'plain')
    with pytest.raises(UserInputError, match='no augmented test of boxes in space is published'):
        use_mode(cfg, 'flip')
    cfg.tta_model = dict(type='centernet_plugin.CenterNetTTA')
    use_mode(cfg, 'flip')
    assert cfg.model.type == 'centernet_plugin.CenterNetTTA'
