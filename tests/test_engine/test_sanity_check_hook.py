from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import EMAHook
from mmengine.model import BaseModel, BaseTTAModel
from torch import nn

from centernet_plugin.engine import SanityCheckHook
from centernet_plugin.errors import UserInputError
from centernet_plugin.models import CenterNetHead


class Model(BaseModel):
    def __init__(self, num_classes=3):
        super().__init__()
        self.backbone = nn.Conv2d(3, 8, 3)
        self.bbox_head = CenterNetHead(num_classes=num_classes, in_channels=8, feat_channels=4)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        raise NotImplementedError


class Loader(list):
    """Batches of a dataset with the given classes."""

    batch_size = 16

    def __init__(self, batches, classes):
        super().__init__(batches)
        self.dataset = Dataset()
        self.dataset.metainfo = dict(classes=classes)


class Dataset(list):
    pass


def runner(num_classes, classes, batches=(0,)):
    loader = Loader(batches, classes)
    return SimpleNamespace(
        model=Model(num_classes),
        train_dataloader=loader,
        val_dataloader=loader,
        test_dataloader=loader,
        hooks=[],
    )


@pytest.mark.parametrize('phase', ['train', 'val', 'test'])
def test_number_of_classes(phase):
    check = getattr(SanityCheckHook(), f'before_{phase}')
    check(runner(2, ('cat', 'dog')))
    with pytest.raises(UserInputError, match='bbox_head.num_classes is 3, but the .* set has 2'):
        check(runner(3, ('cat', 'dog')))


def pose_runner(joints=3, pairs=((1, 2),), offset=None, **metainfo):
    target = runner(1, ('person',))
    common = dict(num_joints=joints, flip_pairs=pairs)
    branches = [
        dict(type='centernet_plugin.SizeBranch'),
        dict(type='centernet_plugin.JointsBranch', **common),
        dict(type='centernet_plugin.JointHeatmapBranch', **common, offset=offset),
    ]
    target.model.bbox_head = CenterNetHead(num_classes=1, in_channels=8, branches=branches)
    target.train_dataloader.dataset.metainfo.update(metainfo)
    return target


@pytest.mark.parametrize('phase', ['train', 'val', 'test'])
def test_joints(phase):
    check = getattr(SanityCheckHook(), f'before_{phase}')
    names = dict(keypoints=('head', 'left', 'right'))
    check(pose_runner())  # a dataset that does not say
    check(pose_runner(**names))
    check(pose_runner(**names, flip_pairs=[[2, 1]]))
    phrase = f'the {dict(train="training", val="validation").get(phase, phase)} set'
    with pytest.raises(UserInputError, match=f"'joints' has num_joints=4, but {phrase} has 3 jo"):
        check(pose_runner(4, **names))
    with pytest.raises(UserInputError, match=rf'flip_pairs=\[\], .* of {phrase} are \[\(1, 2\)\]'):
        check(pose_runner(3, (), **names, flip_pairs=((1, 2),)))
    with pytest.raises(UserInputError, match=r'set are \[\]; make them agree'):
        check(pose_runner(**names, flip_pairs=()))
    heatmap_alone = pose_runner(4, **names)
    del heatmap_alone.model.bbox_head.branches[1]
    with pytest.raises(UserInputError, match="'joint_heatmap' has num_joints=4"):
        check(heatmap_alone)


def test_checkpoint_of_another_architecture():
    hook, target = SanityCheckHook(), runner(3, 'abc')
    hook.after_load_checkpoint(target, dict(state_dict=Model(3).state_dict()))
    wrapped = {f'module.{name}': value for name, value in Model(3).state_dict().items()}
    hook.after_load_checkpoint(target, wrapped)
    other = nn.ModuleDict(dict(backbone=nn.Conv2d(3, 16, 3))).state_dict()
    with pytest.raises(UserInputError, match="another architecture .* 'backbone.weight'"):
        hook.after_load_checkpoint(target, dict(state_dict=other))


def test_fine_tuning_with_other_classes_is_allowed():
    SanityCheckHook().after_load_checkpoint(
        runner(3, 'abc'), dict(state_dict=Model(20).state_dict())
    )


def test_a_test_needs_the_whole_model():
    hook, target = SanityCheckHook(), runner(3, tuple('abc'))
    weights = target.model.state_dict()
    last = list(weights)[-1]
    lacking = {name: value for name, value in weights.items() if name != last}
    hook.after_load_checkpoint(target, lacking)
    hook.before_train(target)  # a start for training all the same
    hook.before_test(target)  # of what was trained
    hook.after_load_checkpoint(target, lacking)
    with pytest.raises(UserInputError, match=f"{len(weights) - 1} of {len(weights)} .*'{last}'"):
        hook.before_test(target)
    hook.after_load_checkpoint(target, weights)
    hook.before_test(target)
    hook = SanityCheckHook(complete_test=False)
    hook.after_load_checkpoint(target, lacking)
    hook.before_test(target)


@pytest.mark.parametrize('buffer', ['running_var', 'num_batches_tracked'])
def test_statistics_count_and_counters_do_not(buffer):
    hook, target = SanityCheckHook(), runner(3, tuple('abc'))
    target.model.norm = nn.BatchNorm2d(2)
    weights = target.model.state_dict()
    del weights[f'norm.{buffer}']
    hook.after_load_checkpoint(target, weights)
    if buffer == 'num_batches_tracked':
        hook.before_test(target)
    else:
        with pytest.raises(UserInputError, match='norm.running_var'):
            hook.before_test(target)


def test_empty_checkpoint():
    with pytest.raises(UserInputError, match='0 of'):
        SanityCheckHook().after_load_checkpoint(
            runner(3, 'abc'), dict(state_dict={'x': torch.ones(1)})
        )


def test_no_batch_to_train_on():
    with pytest.raises(UserInputError, match='do not fill one batch of 16'):
        SanityCheckHook().before_train(runner(3, 'abc', batches=()))


def test_a_training_goes_on_from_checkpoints_of_a_training_alone():
    target = runner(3, tuple('abc'))
    weights = target.model.state_dict()
    whole = dict(
        state_dict=weights, meta=dict(epoch=1, iter=5), message_hub=dict(), optimizer=dict()
    )
    bare, converted = weights, dict(state_dict=weights, meta=dict(epoch=140))
    best = {name: value for name, value in whole.items() if name != 'optimizer'}
    for checkpoint in (whole, bare, converted, best):
        SanityCheckHook().after_load_checkpoint(target, dict(checkpoint))
    target._resume = True
    SanityCheckHook().after_load_checkpoint(target, whole)
    for checkpoint, lacking in (
        (bare, 'epoch, iter, state_dict, message_hub, optimizer'),
        (converted, 'iter, message_hub, optimizer'),
        (best, 'optimizer'),
    ):
        with pytest.raises(UserInputError, match=f'it lacks: {lacking}; .*use load_from=FILE'):
            SanityCheckHook().after_load_checkpoint(target, checkpoint)


def test_two_averages_of_the_weights():
    target = runner(3, tuple('abc'))
    target.hooks = [EMAHook()]
    SanityCheckHook().before_train(target)
    target.hooks.append(EMAHook(momentum=0.1))
    with pytest.raises(UserInputError, match='has 2 times EMAHook.*leave one'):
        SanityCheckHook().before_train(target)


def test_a_proposal_network_has_one_class_of_its_own():
    target = runner(3, tuple('abc'))
    target.model.rpn_head = nn.Identity()
    target.model.rpn_head.num_classes = 1
    SanityCheckHook().before_test(target)


def test_model_within_test_time_augmentation():
    class TTA(BaseTTAModel):
        def merge_preds(self, data_samples_list):
            return data_samples_list

    target = runner(3, tuple('abc'))
    weights = target.model.state_dict()
    target.model = TTA(module=target.model)
    SanityCheckHook().after_load_checkpoint(target, weights)
    SanityCheckHook().before_test(target)


def test_branches_that_lack_another_one_are_found_before_training():
    with pytest.raises(UserInputError, match="offset='joint_offset', but the head has no branch"):
        SanityCheckHook().before_train(pose_runner(offset='joint_offset'))
    target = pose_runner()
    del target.model.bbox_head.branches[1]
    with pytest.raises(UserInputError, match="needs 'keypoints'"):
        SanityCheckHook().before_train(target)
