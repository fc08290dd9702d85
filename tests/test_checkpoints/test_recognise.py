"""What a checkpoint is, from the published lists of names and shapes."""

import sys
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS

from centernet_plugin.checkpoints import recognise
from centernet_plugin.errors import UserInputError

sys.path.insert(0, str(Path(__file__).parents[1]))
from official_weights import without_values  # noqa: E402

PUBLISHED = {  # list: architecture, task, classes, channels before and in heads, stacks
    'res_18_ctdet_coco': ('res_18', 'ctdet', 80, 256, 64, 1),
    'res_101_ctdet_coco': ('res_101', 'ctdet', 80, 256, 64, 1),
    'resdcn_18_ctdet_coco': ('resdcn_18', 'ctdet', 80, 64, 64, 1),
    'resdcn_18_ctdet_voc': ('resdcn_18', 'ctdet', 20, 64, 64, 1),
    'resdcn_101_ctdet_coco': ('resdcn_101', 'ctdet', 80, 64, 64, 1),
    'resdcn_101_ctdet_voc': ('resdcn_101', 'ctdet', 20, 64, 64, 1),
    'dla_34_ctdet_coco': ('dla_34', 'ctdet', 80, 64, 256, 1),
    'dla_34_ctdet_voc': ('dla_34', 'ctdet', 20, 64, 256, 1),
    'dla_34_multi_pose': ('dla_34', 'multi_pose', 1, 64, 256, 1),
    'dla_34_ddd': ('dla_34', 'ddd', 3, 64, 256, 1),
    'dlav0_34_ctdet_coco': ('dlav0_34', 'ctdet', 80, 64, 256, 1),
    'hourglass_ctdet_coco': ('hourglass', 'ctdet', 80, 256, 256, 2),
    'hourglass_multi_pose': ('hourglass', 'multi_pose', 1, 256, 256, 2),
}


def without(state, *prefixes):
    return {key: value for key, value in state.items() if not key.startswith(prefixes)}


def like_depth(state, depth):
    """``state`` of a res or resdcn with another trunk."""
    with torch.device('meta'):
        trunk = MODELS.build(dict(type='mmdet.ResNet', depth=depth)).state_dict()
    return {**trunk, **without(state, 'conv1', 'bn1', 'layer')}


@pytest.mark.parametrize('model', PUBLISHED)
def test_published(model):
    found = recognise(without_values(model))
    assert PUBLISHED[model] == (
        found.architecture,
        found.task,
        found.num_classes,
        found.in_channels,
        found.feat_channels,
        found.num_stacks,
    )


def test_heads_keep_their_order():
    assert recognise(without_values('hourglass_multi_pose')).heads == dict(
        heatmap=1, size=2, joints=34, offset=2, joint_heatmap=17, joint_offset=2
    )
    heads = recognise(without_values('dla_34_ddd')).heads
    assert list(heads.items()) == list(
        dict(heatmap=3, depth=1, orientation=8, dimension=3, size=2, offset=2).items()
    )


@pytest.mark.parametrize('network', ['res', 'resdcn'])
@pytest.mark.parametrize('depth', [18, 34, 50, 101, 152])
def test_depths(network, depth):
    state = like_depth(without_values(f'{network}_18_ctdet_coco'), depth)
    assert recognise(state).architecture == f'{network}_{depth}'


def test_unknown_depth():
    state = without(without_values('res_18_ctdet_coco'), 'layer3.1')
    with pytest.raises(UserInputError, match=r'no ResNet-18, .* has \(2, 2, 1, 2\) basic blocks'):
        recognise(state)


def test_order_of_names_does_not_matter():
    state = without_values('resdcn_18_ctdet_coco')
    found = recognise(dict(reversed(state.items())))
    assert (found.architecture, found.num_classes) == ('resdcn_18', 80)


def test_one_stack():
    state = without_values('hourglass_ctdet_coco')
    prefixes = ('kps.1', 'cnvs.1', 'inters', 'cnvs_', 'hm.1', 'wh.1', 'reg.1')
    found = recognise(without(state, *prefixes))
    assert (found.num_stacks, found.num_classes) == (1, 80)


def test_3d_without_box():
    heads = recognise(without(without_values('dla_34_ddd'), 'wh.', 'reg.')).heads
    assert list(heads) == ['heatmap', 'depth', 'orientation', 'dimension']


@pytest.mark.parametrize('names', [('t_heats', 't_regrs', 'ct_heats'), ('hm_t', 'reg_t', 'hm_c')])
def test_extremenet(names):
    state = without(without_values('hourglass_ctdet_coco'), 'hm.', 'wh.', 'reg.')
    state |= {f'{name}.0.1.weight': torch.empty(80, 256, 1, 1) for name in names}
    found = recognise(state)
    assert (found.architecture, found.task, found.heads) == ('hourglass', 'exdet', {})


@pytest.mark.parametrize('prefix', ['', 'base.'])
def test_dla_of_imagenet(prefix):
    state = without_values('dla_34_ctdet_coco')
    bare = {k.removeprefix('base.'): v for k, v in state.items() if k.startswith('base.')}
    if prefix:
        with pytest.raises(UserInputError, match="begin with 'base.base_layer.0.weight'"):
            recognise({prefix + key: value for key, value in bare.items()})
    else:
        assert recognise(bare).task == 'imagenet'
        assert recognise(without_values('timm_dla34')).task == 'imagenet'


def with_head(name, value, model='dla_34_ctdet_coco'):
    return without(without_values(model), f'{name}.') | value


LAYER = torch.empty(1, 1, 3, 3)
REFUSED = {
    'class-specific sizes': (
        with_head('wh', {'wh.0.weight': LAYER, 'wh.2.weight': torch.empty(160, 1, 1, 1)}),
        r"'wh' has 160 channels, a size for each of 80 classes \(cat_spec_wh\), .* not supported",
    ),
    'no middle layer': (
        with_head('hm', {'hm.weight': torch.empty(80, 64, 1, 1), 'hm.bias': torch.empty(80)}),
        r"'hm' is a single 1x1 convolution \(head_conv 0\), which is not supported",
    ),
    'no heat-map': (with_head('hm', {}), 'no head for the heatmap'),
    'no size': (with_head('wh', {}), 'no head for the size'),
    'half a head': (with_head('hm', {'hm.0.weight': LAYER}), "'hm' has no 'hm.2.weight'"),
    'flat head': (
        with_head('hm', {'hm.0.weight': torch.empty(256), 'hm.2.weight': torch.empty(80)}),
        r"'hm.0.weight' is no convolution, its shape is \(256,\)",
    ),
    'torchvision': (
        {'conv1.weight': None, 'layer1.0.conv1.weight': None, 'fc.weight': None},
        'a ResNet of torchvision, which needs no conversion',
    ),
    'ours': (
        {'backbone.conv1.weight': None, 'bbox_head.heads.0.heatmap.0.weight': None},
        'a checkpoint of this plugin already',
    ),
    'another': (
        {f'encoder.{i}': None for i in range(9)},
        "its 9 tensors begin with 'encoder.0', 'encoder.1', 'encoder.2'",
    ),
}


@pytest.mark.parametrize('kind', REFUSED)
def test_refused_in_one_sentence(kind):
    state, message = REFUSED[kind]
    with pytest.raises(UserInputError, match=message):
        recognise(state)


def test_one_class_has_no_class_specific_size():
    assert recognise(without_values('dla_34_multi_pose')).heads['size'] == 2
