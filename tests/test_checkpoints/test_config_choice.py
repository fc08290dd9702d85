"""Which config a network gets, and what is changed in it."""

from dataclasses import replace
from pathlib import Path

import pytest

from centernet_plugin.checkpoints import configs
from centernet_plugin.checkpoints.configs import (
    CONFIGS,
    FOLDERS,
    LONGER,
    TASK_CONFIGS,
    VOC,
    choose,
    config_folder,
)
from centernet_plugin.checkpoints.recognise import Description
from centernet_plugin.errors import UserInputError
from centernet_plugin.registry import MODELS

BOX = dict(heatmap=80, size=2, offset=2)
RES = Description('res', 18, 'ctdet', BOX, 256, 64)
RESDCN = Description('resdcn', 18, 'ctdet', BOX, 64, 64)
DLA = Description('dla', 34, 'ctdet', BOX, 64, 256)
HOURGLASS = Description('hourglass', None, 'ctdet', BOX, 256, 256, 2)
MMDET = Description('mmdet_res', 18, 'ctdet', BOX, 64, 64)
JOINTS = dict(heatmap=1, size=2, offset=2, joints=34, joint_heatmap=17, joint_offset=2)
POSE = Description('dla', 34, 'multi_pose', JOINTS, 64, 256)
SPACE = dict(heatmap=3, depth=1, orientation=8, dimension=3, size=2, offset=2)
DDD = Description('dla', 34, 'ddd', SPACE, 64, 256)


def chosen(description, *args):
    choice = choose(description, config_folder(), *args)
    return choice.path.stem, choice.options


def test_every_named_config_exists():
    names = {name for depths in CONFIGS.values() for name in depths.values()}
    names |= {VOC[name].format(size) for name in VOC for size in (384, 512)}
    paths = {f'centernet/{name}' for name in names}
    for task, networks in TASK_CONFIGS.items():
        paths |= {f'{FOLDERS[task]}/{name}' for name in networks.values()}
    short = {path.rpartition('/')[2]: path.partition('/')[0] for path in paths}
    assert set(VOC) | set(LONGER) <= set(short)
    paths |= {f'{short[name]}/{longer}' for name, longer in LONGER.items()}
    assert not [path for path in paths if not (config_folder() / f'{path}.py').is_file()]


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


@pytest.mark.parametrize('once', LONGER)
def test_the_longer_schedule_is_told_by_the_epoch(once):
    epochs = int(once.rpartition('-warp512-')[2].partition('e_')[0])
    description = DLA if once.endswith('_coco') else POSE
    if 'hourglass' in once:
        description = replace(HOURGLASS, task='multi_pose', heads=JOINTS)
    for epoch, name in ((None, once), (epochs, once), (epochs + 1, LONGER[once])):
        choice = choose(description, config_folder(), epoch)
        assert (choice.path.stem, choice.others) == (name, [({once, LONGER[once]} - {name}).pop()])
        assert choice.options == {}


@pytest.mark.parametrize('task', TASK_CONFIGS)
def test_published_pose_and_3d_need_no_options(task):
    for network, name in TASK_CONFIGS[task].items():
        example = HOURGLASS if network == 'hourglass' else DLA
        heads = SPACE if task == 'ddd' else JOINTS
        assert chosen(replace(example, task=task, heads=heads)) == (name, {})


def names(branches):
    return [MODELS.build(dict(branch)).name for branch in branches]


@pytest.mark.parametrize(
    ('description', 'absent'),
    [
        (POSE, ('joint_heatmap',)),  # --not_hm_hp
        (POSE, ('joint_offset',)),  # --not_reg_hp_offset
        (POSE, ('joint_heatmap', 'joint_offset', 'offset')),  # and --not_reg_offset
        (DDD, ('size',)),  # --not_reg_bbox
        (DDD, ('offset', 'size')),
    ],
)
def test_heads_that_are_absent_have_no_branch(description, absent):
    heads = {name: n for name, n in description.heads.items() if name not in absent}
    choice = choose(replace(description, heads=heads), config_folder())
    assert list(choice.options) == ['model.bbox_head.branches']
    assert set(names(choice.options['model.bbox_head.branches'])) == set(heads) - {'heatmap'}
    given = choose(description, config_folder()).config.model.bbox_head.branches
    kept = [branch for branch, name in zip(given, names(given), strict=True) if name in heads]
    assert choice.config.model.bbox_head.branches == kept, 'all that is published of the others'


def test_other_joints():
    heads = dict(JOINTS, joints=10, joint_heatmap=5)
    branches = chosen(replace(POSE, heads=heads))[1]['model.bbox_head.branches']
    assert [b['num_joints'] for b in branches if 'num_joints' in b] == [5, 5]
    assert [b['flip_pairs'] for b in branches if 'num_joints' in b] == [[], []]


@pytest.mark.parametrize('task', TASK_CONFIGS)
def test_pose_and_3d_of_networks_without_a_config(task):
    """The task's config, data and all, with the network of the detection config."""
    heads = SPACE if task == 'ddd' else JOINTS
    examples = [replace(RES, depth=34), RESDCN, replace(DLA, network='dlav0')]
    for example in [*examples, *([HOURGLASS] if task == 'ddd' else [])]:
        detector = choose(example, config_folder()).config.model
        choice = choose(replace(example, task=task, heads=heads), config_folder())
        plain = choose(DDD if task == 'ddd' else POSE, config_folder())
        assert choice.path == plain.path
        for part in ('backbone', 'neck'):
            assert choice.config.model[part] == detector[part]
        assert choice.config.train_dataloader == plain.config.train_dataloader
        head, expected = choice.config.model.bbox_head, dict(plain.config.model.bbox_head)
        assert head.feat_channels == detector.bbox_head.get('feat_channels', 64)
        for name in ('in_channels', 'num_stacks', 'init_rule'):
            assert head.get(name) == detector.bbox_head.get(name)
        for name in ('in_channels', 'num_stacks', 'init_rule', 'feat_channels'):
            expected[name] = head.get(name)
        assert {name: head.get(name) for name in expected} == expected
        multiple = detector.data_preprocessor.pad_size_divisor
        assert choice.config.model.data_preprocessor.pad_size_divisor == multiple


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
