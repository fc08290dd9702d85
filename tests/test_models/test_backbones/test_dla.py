"""DLANet: published sizes and counts, levels, freezing, any input size."""

import pytest
import torch
from torch import nn

from centernet_plugin.errors import UserInputError
from centernet_plugin.models import DLANet
from centernet_plugin.models.layers import DLATree
from centernet_plugin.registry import MODELS

SMALL = dict(levels=(1, 1, 1, 2, 2, 1), channels=(4, 4, 8, 8, 12, 12), block='basic')


# DLA-34: the original's 15,783,832 without the classifier (513,000) and two projections (41,728).
# The others: what timm's models of that name have, without their classifiers.
@pytest.mark.parametrize(
    ('arch', 'parameters'),
    [
        ('34', 15_783_832 - 513_000 - 41_728),
        ('46-c', 1_301_400 - 257_000),
        ('60', 22_036_632 - 1_025_000),
        ('102', 33_268_888 - 1_025_000),
        ('169', 53_389_720 - 1_025_000),
    ],
)
def test_published_sizes(arch, parameters):
    with torch.device('meta'):
        net = MODELS.build(dict(type='centernet_plugin.DLANet', arch=arch))
        outs = net(torch.empty(1, 3, 64, 96))
    assert sum(p.numel() for p in net.parameters()) == parameters
    channels = DLANet.ARCHS[arch]['channels'][2:]
    assert [tuple(out.shape[1:]) for out in outs] == [
        (c, 64 // s, 96 // s) for c, s in zip(channels, (4, 8, 16, 32), strict=True)
    ]
    assert net.out_channels == channels


@pytest.mark.parametrize('block', ['basic', 'bottleneck'])
@pytest.mark.parametrize('residual_root', [False, True])
@pytest.mark.parametrize('levels', [(1, 1, 1, 2, 2, 1), (2, 1, 2, 3, 1, 1)])
def test_every_parameter_learns(block, residual_root, levels):
    net = DLANet(arch=dict(SMALL, block=block, residual_root=residual_root, levels=levels))
    sum(out.square().mean() for out in net(torch.rand(2, 3, 64, 64))).backward()
    assert not [name for name, p in net.named_parameters() if p.grad is None]


def test_a_level_that_nobody_asks_for_is_not_built():
    net = DLANet(arch=SMALL, out_indices=(1, 3))
    outs = net(torch.rand(1, 3, 32, 32))
    assert [tuple(out.shape) for out in outs] == [(1, 4, 16, 16), (1, 8, 4, 4)]
    assert not hasattr(net, 'level4')
    assert net.out_channels == (4, 8)


@pytest.mark.parametrize('size', [(33, 70), (1, 1), (63, 64)])
def test_any_input_size(size):
    outs = DLANet(arch=SMALL).eval()(torch.rand(1, 3, *size))
    for out, stride in zip(outs, (4, 8, 16, 32), strict=True):
        assert out.shape[-2:] == tuple(-(-n // stride) for n in size)


def test_which_sizes_have_residual_roots():
    """Counts and shapes would be the same without; the ImageNet weights are not."""
    for arch in DLANet.ARCHS:
        with torch.device('meta'):
            trees = [m for m in DLANet(arch=arch).modules() if isinstance(m, DLATree)]
        roots = {tree.root.residual for tree in trees if tree.root is not None}
        assert roots == {arch in ('102', '169')}


def test_residual_root_adds_the_deepest_child():
    torch.manual_seed(0)
    plain, residual = (
        DLATree(1, 4, 4, block=_Give, root_residual=flag, norm_cfg=dict(type='BN')).eval()
        for flag in (False, True)
    )
    residual.load_state_dict(plain.state_dict())
    x = torch.randn(1, 4, 3, 3)
    root = plain.root
    joined = root.bn(root.conv(torch.cat((x + 2, x + 1), dim=1)))
    assert torch.allclose(plain(x), joined.relu())
    assert torch.allclose(residual(x), (joined + x + 2).relu())


class _Give(nn.Module):
    """Stands for a block: adds 1."""

    def __init__(self, in_channels, out_channels, stride, norm_cfg):
        super().__init__()

    def forward(self, x, residual):
        return x + 1


def test_frozen_levels_and_norms_stay():
    net = DLANet(arch=SMALL, frozen_stages=2, norm_eval=True).train()
    net.init_weights()
    frozen = {n.split('.')[0] for n, p in net.named_parameters() if not p.requires_grad}
    assert frozen == {'base_layer', 'level0', 'level1', 'level2'}
    assert not any(m.training for m in net.modules() if isinstance(m, nn.BatchNorm2d))
    partly = DLANet(arch=SMALL, frozen_stages=0).train()
    assert not partly.level0.training and partly.level1.training


def test_initialised_for_training_from_scratch():
    torch.manual_seed(0)
    net = DLANet(arch='34', out_indices=(4,))
    net.init_weights()
    weight = net.level4.tree1.tree1.conv1.weight  # (256, 128, 3, 3)
    assert weight.std().item() == pytest.approx((2 / (9 * 256)) ** 0.5, rel=0.01)


@pytest.mark.parametrize('as_list', [False, True])
@pytest.mark.parametrize('prefix', ['', 'backbone.'])
def test_pretrained_file_loads(tmp_path, as_list, prefix):
    weights = DLANet(arch=SMALL).state_dict()
    file = {prefix + name: v for name, v in weights.items() if 'num_batches' not in name}
    torch.save(file | {'fc.weight': torch.zeros(10, 12, 1, 1)}, tmp_path / 'dla.pth')
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'dla.pth'))
    if prefix:
        init['prefix'] = prefix
    net = DLANet(arch=SMALL, init_cfg=[init] if as_list else init)
    for _ in range(2):  # the second time does nothing, also if the file is gone
        net.init_weights()
        (tmp_path / 'dla.pth').unlink(missing_ok=True)
    for name, value in net.state_dict().items():
        assert torch.equal(value, weights[name])


def test_pretrained_file_of_another_network_is_refused(tmp_path):
    stem = {n: v for n, v in DLANet(arch=SMALL).state_dict().items() if n.startswith('base_layer')}
    wider = DLANet(arch=dict(SMALL, channels=(4, 4, 8, 8, 12, 16))).state_dict()
    for i, weights in enumerate(({'conv1.weight': torch.zeros(3)}, stem, wider)):
        file = str(tmp_path / f'{i}.pth')
        torch.save(weights, file)
        for init in (dict(checkpoint=file), [dict(checkpoint=file)]):
            one = init[0] if isinstance(init, list) else init
            one['type'] = 'Pretrained'
            with pytest.raises(UserInputError, match='no weights of this DLA'):
                DLANet(arch=SMALL, init_cfg=init).init_weights()


def test_norm_cfg_reaches_every_norm():
    net = DLANet(arch=SMALL, norm_cfg=dict(type='GN', num_groups=2))
    assert not any(isinstance(m, nn.BatchNorm2d) for m in net.modules())
    assert any(isinstance(m, nn.GroupNorm) for m in net.modules())


def test_wrong_arguments_are_named():
    for arch, message in (
        ('35', "unknown DLA '35'"),
        (dict(levels=(1,) * 6), "'channels'"),
        (dict(SMALL, levels=(1, 1)), '6 numbers'),
        (dict(SMALL, block='wide'), "'wide'"),
        (dict(SMALL, levels=(1, 1, 0, 2, 2, 1)), 'at least 1'),
        (34, 'unknown DLA 34'),
        (dict(SMALL, depth=3), 'depth'),
    ):
        with pytest.raises(ValueError, match=message):
            DLANet(arch=arch)
    with pytest.raises(ValueError, match='out_indices'):
        DLANet(arch=SMALL, out_indices=(6,))
    with pytest.raises(ValueError, match='frozen_stages'):
        DLANet(arch=SMALL, frozen_stages=6)
