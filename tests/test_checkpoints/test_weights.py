"""Every published list of tensors, against the model of the config that it belongs to."""

import sys
from pathlib import Path

import pytest
import torch

from centernet_plugin.checkpoints import recognise
from centernet_plugin.checkpoints.configs import choose, config_folder
from centernet_plugin.checkpoints.rename import CLASSIFIER, EXTREME, UNUSED_PROJECT
from centernet_plugin.checkpoints.weights import (
    as_float32,
    check,
    dla_size,
    model_shapes,
    rename_all,
)
from centernet_plugin.errors import UserInputError
from centernet_plugin.models import DLANet

sys.path.insert(0, str(Path(__file__).parents[1]))
from official_weights import count_parameters, draw, without_values  # noqa: E402

COUNTS = {  # trained numbers of the original, as published code builds it
    'res_18_ctdet_coco': 15_820_372,
    'res_101_ctdet_coco': 53_435_476,
    'resdcn_18_ctdet_coco': 14_437_349,
    'resdcn_101_ctdet_coco': 49_673_189,
    'resdcn_18_ctdet_voc': 14_433_449,
    'resdcn_101_ctdet_voc': 49_669_289,
    'dla_34_ctdet_coco': 20_188_892,
    'dla_34_ctdet_voc': 20_173_472,
    'dla_34_multi_pose': 20_625_346,
    'dla_34_ddd': 20_615_323,
    'dlav0_34_ctdet_coco': 18_474_476,
    'hourglass_ctdet_coco': 191_284_008,
    'hourglass_multi_pose': 194_811_124,
}
CLASSIFIER_COUNT, PROJECT_COUNT = 513_000, 41_728


def shapes_for(description):
    choice = choose(description, config_folder())
    return model_shapes(choice.config.model, description)


def checked(state):
    description = recognise(state)
    weights = rename_all(state, description)
    check(weights, shapes_for(description), 'the model')
    return weights


@pytest.mark.parametrize('model', COUNTS)
def test_counts_and_completeness(model):
    state = without_values(model)
    weights = checked(state)
    dropped = {}
    if model.startswith('dla'):
        dropped = {CLASSIFIER: 2, UNUSED_PROJECT: 12}
    assert {reason: len(keys) for reason, keys in weights.dropped.items()} == dropped
    assert len(weights.state) + sum(dropped.values()) == len(state)
    missing = CLASSIFIER_COUNT + PROJECT_COUNT if dropped else 0
    assert weights.num_parameters + missing == COUNTS[model] == count_parameters(model)


def test_values_are_not_touched():
    state = {k: torch.randn(v.shape) for k, v in without_values('res_18_ctdet_coco').items()}
    weights = rename_all(state, recognise(state))
    for ours, theirs in weights.sources.items():
        assert weights.state[ours] is state[theirs]


def test_counters_that_are_missing_begin_at_zero():
    state = without_values('resdcn_18_ctdet_coco')
    old = {key: value for key, value in state.items() if 'num_batches' not in key}
    weights = checked(old)
    assert weights.counters == 26 == len(state) - len(old)
    added = [value for key, value in weights.state.items() if 'num_batches' in key]
    assert all(value.dtype == torch.int64 and value.item() == 0 for value in added)
    assert checked(state).counters == 0
    assert list(weights.state) == list(checked(state).state)


def test_unknown_tensors_are_an_error():
    state = without_values('dla_34_ctdet_coco')
    state |= {f'extra.{i}.weight': torch.empty(1) for i in range(5)}
    names = "'extra.0.weight', 'extra.1.weight', 'extra.2.weight' and 2 more"
    with pytest.raises(UserInputError, match=f'dla_34 has no {names}'):
        rename_all(state, recognise(state))


def test_two_tensors_of_one_meaning_are_an_error():
    state = without_values('resdcn_18_ctdet_coco')
    state['deconv_layers.0.conv_offset.bias'] = state['deconv_layers.0.conv_offset_mask.bias']
    with pytest.raises(UserInputError, match="conv_offset_mask.bias', .* have the same meaning"):
        rename_all(state, recognise(state))


CHANGES = {
    'missing': (
        lambda state: state.pop('layer4.1.bn2.weight'),
        "not complete: the model needs 'backbone.layer4.1.bn2.weight' as well",
    ),
    'surplus': (
        lambda state: state.update({'layer4.1.bn3.weight': torch.empty(1)}),
        "the model has no place for 'layer4.1.bn3.weight'",
    ),
    'shape': (
        lambda state: state.update({'layer2.0.conv1.weight': torch.empty(128, 65, 3, 3)}),
        r"'layer2.0.conv1.weight' has the shape \(128, 65, 3, 3\), but the model needs \(128, 6",
    ),
    'another shape': (
        lambda state: state.update({'wh.2.bias': torch.empty(3)}),
        r"'wh.2.bias' has the shape \(3,\), but the model needs \(2,\)",
    ),
}


@pytest.mark.parametrize('change', CHANGES)
def test_misfits_are_said_in_one_sentence(change):
    state = without_values('resdcn_18_ctdet_coco')
    apply, message = CHANGES[change]
    apply(state)
    with pytest.raises(UserInputError, match=message):
        checked(state)


def test_heads_of_other_tasks_are_checked_too():
    state = without_values('dla_34_ddd') | {'dep.0.weight': torch.empty(256, 63, 3, 3)}
    with pytest.raises(UserInputError, match=r"'dep.0.weight' has the shape \(256, 63, 3, 3\)"):
        checked(state)
    state = without_values('hourglass_multi_pose')
    del state['hps.1.1.weight']
    with pytest.raises(UserInputError, match="needs 'bbox_head.heads.1.joints.2.weight' as well"):
        checked(state)


def test_without_offset():
    state = without_values('resdcn_18_ctdet_coco')
    state = {key: value for key, value in state.items() if not key.startswith('reg.')}
    weights = checked(state)
    assert len(weights.state) == len(state)
    assert not any('offset.0' in key for key in weights.state)


def test_extremenet_initialises_the_hourglass():
    heads = ('hm.', 'wh.', 'reg.')
    published = without_values('hourglass_ctdet_coco')
    state = {key: value for key, value in published.items() if not key.startswith(heads)}
    trunk = len(state)
    state |= {f't_heats.{i}.0.conv.weight': torch.empty(256, 256, 3, 3) for i in (0, 1)}
    weights = checked(state)
    assert len(weights.state) == trunk
    assert weights.dropped == {EXTREME: ['t_heats.0.0.conv.weight', 't_heats.1.0.conv.weight']}


@pytest.mark.parametrize('arch', DLANet.ARCHS)
@pytest.mark.parametrize('naming', ['original', 'timm'])
def test_dla_of_imagenet(arch, naming):
    with torch.device('meta'):
        state = dict(DLANet(arch=arch).state_dict())
    ours = set(state)
    if naming == 'original':
        levels, channels = (DLANet.ARCHS[arch][name] for name in ('levels', 'channels'))
        trees = [
            f'level{i}{".tree1" * depth}'
            for i in (2, 3, 4, 5)
            if channels[i] != channels[i - 1]
            for depth in range(levels[i] - 1)
        ]
        state |= {f'{tree}.project.0.weight': torch.empty(1) for tree in trees}
    state |= {'fc.weight': torch.empty(1000, 512, 1, 1), 'fc.bias': torch.empty(1000)}
    weights = rename_all(state, recognise(state))
    assert set(weights.state) == ours and dla_size(weights) == arch
    assert weights.dropped[CLASSIFIER] == ['fc.weight', 'fc.bias']
    assert (UNUSED_PROJECT in weights.dropped) == (naming == 'original')


def test_names_of_timm():
    state = without_values('timm_dla34')
    weights = rename_all(state, recognise(state))
    assert dla_size(weights) == '34'
    assert weights.num_parameters + CLASSIFIER_COUNT == 15_742_104 == count_parameters('timm_dla34')


def test_names_of_the_original_imagenet_file():
    state = without_values('dla_34_ctdet_coco')
    state = {k.removeprefix('base.'): v for k, v in state.items() if k.startswith('base.')}
    weights = rename_all(state, recognise(state))
    assert dla_size(weights) == '34'
    assert weights.num_parameters + CLASSIFIER_COUNT + PROJECT_COUNT == 15_783_832


def dla_34(**kwargs):
    with torch.device('meta'):
        return dict(DLANet(arch='34', **kwargs).state_dict())


def test_size_of_a_dla_with_other_input():
    state = dla_34(in_channels=1)
    assert dla_size(rename_all(state, recognise(state))) == '34'


CHANGES_OF_DLA = {
    'missing': (
        lambda state: state.pop('level3.tree1.root.bn.weight'),
        r"DLA-34 \(the nearest of 34, 46-c, .*\) needs 'level3.tree1.root.bn.weight' as well",
    ),
    'shape': (
        lambda state: state.update({'level2.root.conv.weight': torch.empty(64, 129, 1, 1)}),
        r"'level2.root.conv.weight' has the shape \(64, 129, 1, 1\), but DLA-34",
    ),
}


@pytest.mark.parametrize('change', CHANGES_OF_DLA)
def test_misfits_of_a_dla_name_the_tensor(change):
    state = dla_34()
    apply, message = CHANGES_OF_DLA[change]
    apply(state)
    with pytest.raises(UserInputError, match=message):
        dla_size(rename_all(state, recognise(state)))


def sound(name, value):
    """ResNet-18's weights of which one was replaced, in single precision."""
    state = draw('res_18_ctdet_coco') | {name: value}
    return as_float32(rename_all(state, recognise(state)))


@pytest.mark.parametrize('value', [float('nan'), float('inf'), 1e300])
def test_weights_that_are_not_finite_are_an_error(value):
    bias = torch.tensor([0.0, value], dtype=torch.float64)
    with pytest.raises(UserInputError, match="'wh.2.bias' has values that are infinite or not"):
        sound('wh.2.bias', bias)


@pytest.mark.parametrize('dtype', [torch.int64, torch.bool, torch.complex64])
def test_weights_of_a_type_for_something_else_are_an_error(dtype):
    with pytest.raises(UserInputError, match=f"'wh.2.bias' is of {str(dtype)[6:]}, which is no"):
        sound('wh.2.bias', torch.ones(2, dtype=dtype))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_single(dtype):
    weights = sound('wh.2.bias', torch.tensor([0.5, 2.0], dtype=dtype))
    bias = weights.state['bbox_head.heads.0.size.2.bias']
    assert bias.dtype == torch.float32 and bias.tolist() == [0.5, 2.0]
    assert weights.cast == {str(dtype)[6:]: 1}
