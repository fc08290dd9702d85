"""Our names of published tensors, one by one."""

import pytest

from centernet_plugin.checkpoints.rename import RULES, rename, unused

NAMES = {
    'res': {
        'conv1.weight': 'backbone.conv1.weight',
        'bn1.running_mean': 'backbone.bn1.running_mean',
        'layer1.0.conv1.weight': 'backbone.layer1.0.conv1.weight',
        'layer4.0.downsample.1.bias': 'backbone.layer4.0.downsample.1.bias',
        'deconv_layers.3.weight': 'neck.deconv_layers.3.weight',
        'deconv_layers.7.num_batches_tracked': 'neck.deconv_layers.7.num_batches_tracked',
        'hm.0.weight': 'bbox_head.heads.0.heatmap.0.weight',
        'hm.2.bias': 'bbox_head.heads.0.heatmap.2.bias',
        'wh.2.weight': 'bbox_head.heads.0.size.2.weight',
        'reg.0.bias': 'bbox_head.heads.0.offset.0.bias',
    },
    'resdcn': {
        'deconv_layers.6.bias': 'neck.deconv_layers.6.bias',
        'deconv_layers.0.conv_offset_mask.weight': 'neck.deconv_layers.0.conv_offset.weight',
    },
    'dla': {
        'base.base_layer.0.weight': 'backbone.base_layer.0.weight',
        'base.level3.tree1.project.1.weight': 'backbone.level3.tree1.project.1.weight',
        'base.level5.root.bn.bias': 'backbone.level5.root.bn.bias',
        'dla_up.ida_0.proj_1.conv.bias': 'neck.stages.0.projs.0.0.bias',
        'dla_up.ida_2.proj_3.conv.conv_offset_mask.bias': (
            'neck.stages.2.projs.2.0.conv_offset.bias'
        ),
        'dla_up.ida_1.node_2.actf.0.running_var': 'neck.stages.1.nodes.1.1.running_var',
        'dla_up.ida_2.up_1.weight': 'neck.stages.2.ups.0.weight',
        'ida_up.up_2.weight': 'neck.final.ups.1.weight',
        'ida_up.node_1.conv.weight': 'neck.final.nodes.0.0.weight',
        'hps.2.weight': 'bbox_head.heads.0.joints.2.weight',
        'hm_hp.2.weight': 'bbox_head.heads.0.joint_heatmap.2.weight',
        'hp_offset.0.weight': 'bbox_head.heads.0.joint_offset.0.weight',
        'dep.0.weight': 'bbox_head.heads.0.depth.0.weight',
        'rot.2.bias': 'bbox_head.heads.0.orientation.2.bias',
        'dim.2.bias': 'bbox_head.heads.0.dimension.2.bias',
    },
    'dlav0': {
        'dla_up.ida_1.proj_2.0.weight': 'neck.stages.1.projs.1.0.weight',
        'dla_up.ida_1.proj_2.1.running_mean': 'neck.stages.1.projs.1.1.running_mean',
        'dla_up.ida_2.node_3.0.weight': 'neck.stages.2.nodes.2.0.weight',
        'dla_up.ida_0.up_1.weight': 'neck.stages.0.ups.0.weight',
    },
    'hourglass': {
        'pre.0.conv.weight': 'backbone.stem.0.conv.weight',
        'pre.1.skip.1.bias': 'backbone.stem.1.0.downsample.1.bias',
        'pre.1.bn2.weight': 'backbone.stem.1.0.bn2.weight',
        'kps.1.low2.low1.0.skip.0.weight': (
            'backbone.hourglass_modules.1.low2.low1.0.downsample.0.weight'
        ),
        'cnvs.1.bn.weight': 'backbone.out_convs.1.bn.weight',
        'inters.0.conv2.weight': 'backbone.inters.0.conv2.weight',
        'inters_.0.0.weight': 'backbone.conv1x1s.0.conv.weight',
        'cnvs_.0.1.running_var': 'backbone.remap_convs.0.bn.running_var',
        'hm.1.0.conv.weight': 'bbox_head.heads.1.heatmap.0.weight',
        'wh.0.1.bias': 'bbox_head.heads.0.size.2.bias',
    },
    'mmdet_resdcn': {
        'backbone.layer2.1.bn1.weight': 'backbone.layer2.1.bn1.weight',
        'neck.deconv_layers.0.conv.conv_offset.bias': 'neck.deconv_layers.0.conv_offset.bias',
        'neck.deconv_layers.0.bn.weight': 'neck.deconv_layers.1.weight',
        'neck.deconv_layers.1.conv.weight': 'neck.deconv_layers.3.weight',
        'neck.deconv_layers.5.bn.bias': 'neck.deconv_layers.16.bias',
        'bbox_head.heatmap_head.0.weight': 'bbox_head.heads.0.heatmap.0.weight',
        'bbox_head.wh_head.2.bias': 'bbox_head.heads.0.size.2.bias',
        'bbox_head.offset_head.2.weight': 'bbox_head.heads.0.offset.2.weight',
    },
    'dla_imagenet': {'level2.tree1.conv1.weight': 'level2.tree1.conv1.weight'},
}
FOREIGN = {
    'res': [
        'layer5.0.conv1.weight',
        'fc.weight',
        'hm.1.weight',
        'hm.0.0.conv.weight',
        'backbone.a',
    ],
    'dla': [
        'dla_up.ida_0.proj_0.conv.weight',
        'dla_up.ida_0.up_1.bias',
        'level2.a',
        'ida_up.x_1.a',
    ],
    'dlav0': ['dla_up.ida_0.node_0.0.weight', 'hm.0'],
    'hourglass': [
        'pre.2.conv.weight',
        'hm.0.weight',
        'tl_cnvs.0.conv.weight',
        'inters_.0.2.weight',
    ],
    'mmdet_res': ['neck.lateral.0.conv.weight', 'bbox_head.cls.weight', 'rpn_head.conv.weight'],
    'dla_imagenet': ['fc.weight', 'base.level2.root.conv.weight', 'level6.a'],
}


@pytest.mark.parametrize('network', NAMES)
def test_names(network):
    for theirs, ours in NAMES[network].items():
        assert rename(theirs, network) == ours
        if network == 'res':
            assert rename(theirs, 'resdcn') == ours
        if network.startswith('mmdet'):
            assert rename(theirs, 'mmdet_res') == ours


@pytest.mark.parametrize('network', FOREIGN)
def test_unknown_names(network):
    assert [rename(key, network) for key in FOREIGN[network]] == [None] * len(FOREIGN[network])


def test_projection_of_outer_trees_is_unused():
    keys = [
        'level4.project.0.weight',  # DLA-60: three levels of trees, two of them without a root
        'level4.tree1.project.0.weight',
        'level4.tree1.tree1.project.0.weight',
        'level4.tree1.tree1.root.conv.weight',
        'level5.project.0.weight',
        'level5.root.conv.weight',
        'fc.bias',
    ]
    found = unused(keys, 'dla_imagenet')
    assert set(found) == {*keys[:2], 'fc.bias'}
    assert 'classifier' in found['fc.bias'] and 'thrown away' in found[keys[0]]
    assert not unused(['layer1.project.0.weight', 'fc.bias'], 'res')


def test_heads_of_extremenet_are_unused():
    keys = ['t_heats.0.0.conv.weight', 'ct_heats.1.1.bias', 'r_regrs.0.1.bias', 'hm_c.0.1.weight']
    keys += ['reg_l.1.1.bias', 'hm.0.1.weight', 'reg.0.1.weight', 'hm_hp.0.1.bias']
    assert set(unused(keys, 'hourglass')) == set(keys[:5])
    assert set(RULES) == set(NAMES) | {'mmdet_res'}
