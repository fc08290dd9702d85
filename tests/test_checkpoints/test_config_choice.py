"""Which config a network gets, and what is changed in it."""

from dataclasses import replace
from pathlib import Path

import pytest

from centernet_plugin.checkpoints import configs
from centernet_plugin.checkpoints.configs import CONFIGS, LONGER, VOC, choose, config_folder
from centernet_plugin.checkpoints.recognise import Description
from centernet_plugin.errors import UserInputError

BOX = dict(heatmap=80, size=2, offset=2)
RES = Description('res', 18, 'ctdet', BOX, 256, 64)
RESDCN = Description('resdcn', 18, 'ctdet', BOX, 64, 64)
DLA = Description('dla', 34, 'ctdet', BOX, 64, 256)
HOURGLASS = Description('hourglass', None, 'ctdet', BOX, 256, 256, 2)
MMDET = Description('mmdet_res', 18, 'ctdet', BOX, 64, 64)


def chosen(description, *args):
    choice = choose(description, config_folder(), *args)
    return choice.path.stem, choice.options


def test_every_named_config_exists():
    names = {name for depths in CONFIGS.values() for name in depths.values()}
    names |= set(LONGER.values()) | {VOC[name].format(size) for name in VOC for size in (384, 512)}
    assert set(VOC) | set(LONGER) <= names
    assert not [name for name in names if not (config_folder() / f'centernet/{name}.py').is_file()]


@pytest.mark.parametrize('network', CONFIGS)
def test_published_networks_need_no_options(network):
    example = {'res': RES, 'mmdet_res': MMDET, 'hourglass': HOURGLASS}.get(network, RESDCN)
    width = 256 if network.startswith(('dla', 'hourglass')) else 64
    for depth, name in CONFIGS[network].items():
        description = replace(example, network=network, depth=depth, feat_channels=width)
        assert chosen(description) == (name, {})


def test_other_depths():
    name, options = chosen(replace(RESDCN, depth=34))
    assert name == 'centernet_r18-dcnv2_4xb28-warp512-140e_coco'
    assert options == {
        'model.backbone.depth': 34,
        'model.backbone.init_cfg.checkpoint': 'torchvision://resnet34',
    }
    name, options = chosen(replace(RES, depth=50))
    assert name == 'centernet_r101_8xb12-warp512-140e_coco'
    assert options['model.backbone.depth'] == 50 and 'model.neck.in_channels' not in options
    name, options = chosen(replace(MMDET, depth=50))
    assert name == 'centernet_r18-mmdet_8xb16-warp512-140e_coco'
    assert options['model.neck.in_channels'] == 2048


def test_other_classes_width_and_stacks():
    seven = dict(BOX, heatmap=7)
    assert chosen(replace(RES, heads=seven))[1] == {'model.bbox_head.num_classes': 7}
    assert chosen(replace(RES, feat_channels=32))[1] == {'model.bbox_head.feat_channels': 32}
    assert chosen(replace(HOURGLASS, num_stacks=1))[1] == {
        'model.backbone.num_stacks': 1,
        'model.bbox_head.num_stacks': 1,
    }
    no_offset = chosen(replace(RES, heads=dict(heatmap=80, size=2)))[1]
    assert no_offset == {'model.bbox_head.branches': [dict(type='centernet_plugin.SizeBranch')]}


def test_options_are_in_the_config():
    choice = choose(replace(RES, heads=dict(BOX, heatmap=7)), config_folder())
    assert choice.config.model.bbox_head.num_classes == 7


def test_voc():
    voc = dict(BOX, heatmap=20)
    name, options = chosen(replace(DLA, heads=voc))
    assert (name, options) == ('centernet_dla34-dcnv2_1xb32-warp512-70e_voc0712', {})
    small = choose(replace(DLA, heads=voc), config_folder(), None, 'ctdet_pascal_dla_384')
    assert small.path.stem == 'centernet_dla34-dcnv2_1xb32-warp384-70e_voc0712'
    assert small.others == [name]
    name, options = chosen(replace(RESDCN, depth=50, heads=voc))
    assert name == 'centernet_r101-dcnv2_1xb32-warp512-70e_voc0712'
    assert options['model.backbone.depth'] == 50
    # No config for VOC: COCO's, with other classes.
    assert chosen(replace(RES, heads=voc))[1] == {'model.bbox_head.num_classes': 20}


def test_twenty_other_classes_are_not_voc():
    twenty = replace(RESDCN, heads=dict(BOX, heatmap=20))
    names = tuple(f'thing {i}' for i in range(20))
    choice = choose(twenty, config_folder(), classes=names)
    assert choice.path.stem == 'centernet_r18-dcnv2_4xb28-warp512-140e_coco'
    assert choice.options == {'model.bbox_head.num_classes': 20}


def test_the_longer_schedule_is_told_by_the_epoch():
    once = 'centernet_dla34-dcnv2_8xb16-warp512-140e_coco'
    for epoch, name in ((None, once), (140, once), (230, LONGER[once])):
        choice = choose(DLA, config_folder(), epoch)
        assert (choice.path.stem, choice.others) == (name, [({once, LONGER[once]} - {name}).pop()])


def test_missing_folder(tmp_path):
    with pytest.raises(UserInputError, match=r"'.*centernet_r18_8xb16.*\.py' .* does not exist"):
        choose(RES, tmp_path)


def test_folder_of_an_installed_package(tmp_path, monkeypatch):
    package = tmp_path / 'site-packages' / 'centernet_plugin'
    monkeypatch.setattr(configs, '__file__', str(package / 'checkpoints' / 'configs.py'))
    assert config_folder() == package.parent / 'configs', 'a checkout'
    (package / '.mim' / 'configs').mkdir(parents=True)
    assert config_folder() == package / '.mim' / 'configs'
    assert Path(config_folder()).is_dir()
