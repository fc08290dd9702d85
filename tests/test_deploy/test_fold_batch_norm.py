import copy
import importlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.cnn import ConvModule
from small_networks import NETWORKS, build, disturb, noise, norms
from torch import nn

from centernet_plugin.deploy import fold_batch_norm
from centernet_plugin.models.layers import ModulatedDeformConv2d


@pytest.mark.parametrize('name', NETWORKS)
def test_every_norm_of_every_network_is_folded(name):
    model = build(name).double()
    image = noise(2, seed=1).double()
    count = norms(model)
    with torch.no_grad():
        before = model(image)
    assert fold_batch_norm(model, noise().double()) == count > 10
    assert norms(model) == 0
    with torch.no_grad():
        after = model(image)
    for old, new in zip(before, after, strict=True):
        for key, value in old.items():
            assert (new[key] - value).abs().max() <= 1e-11 * value.abs().max()


def alive(model):
    """In evaluation mode, with statistics and weights that are not the identity."""
    torch.manual_seed(0)
    disturb(model)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return model.double().eval()


CONVOLUTIONS = {
    'plain': lambda i, o, g, bias: nn.Conv2d(i * g, o * g, 3, groups=g, bias=bias),
    'transposed': lambda i, o, g, bias: nn.ConvTranspose2d(i * g, o * g, 4, 2, groups=g, bias=bias),
    'deformable': lambda i, o, g, bias: ModulatedDeformConv2d(
        i * g, o * g, 3, groups=g, bias=bias, deform_groups=g
    ),
}


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(sorted(CONVOLUTIONS)),
    channels=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4)),
    bias=st.booleans(),
    affine=st.booleans(),
    channels_last=st.booleans(),
)
def test_one_convolution_of_any_kind(kind, channels, bias, affine, channels_last):
    conv = CONVOLUTIONS[kind](*channels, bias)
    model = alive(nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels, affine=affine)))
    if channels_last:
        model.to(memory_format=torch.channels_last)
    image = torch.randn(2, conv.in_channels, 5, 6, dtype=torch.float64)
    strides = conv.weight.stride()
    with torch.no_grad():
        before = model(image)
        assert fold_batch_norm(model, image) == 1
        torch.testing.assert_close(model(image), before, rtol=1e-11, atol=1e-11)
    assert isinstance(conv.weight, nn.Parameter) and isinstance(conv.bias, nn.Parameter)
    assert conv.weight.stride() == strides or 1 in conv.weight.shape
    assert list(model.state_dict())[:1] == ['0.weight']


class Net(nn.Module):
    """A convolution and a norm, and what the test does with them."""

    def __init__(self, forward, **modules):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
        for name, module in modules.items():
            self.add_module(name, module)
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


def shared_input(net, x):
    y = net.conv(x)
    return net.norm(y) + y


def returned(net, x):
    y = net.conv(x)
    return net.norm(y), y


def changed_in_place(net, x):
    return net.norm(net.conv(x).relu_())


def changed_afterwards(net, x):
    y = net.conv(x)
    z = net.norm(y)
    return z + y.mul_(2)


def read_by_method(net, x):
    y = net.conv(x)
    return net.norm(y) * y.mean()


def cropped(net, x):
    return net.norm(net.conv(x)[..., 1:])


NOT_FOLDED = {
    'input shared': shared_input,
    'input returned': returned,
    'changed in place before': changed_in_place,
    'changed in place afterwards': changed_afterwards,
    'a mean of it': read_by_method,
    'cropped': cropped,
    'convolution called twice': lambda net, x: net.norm(net.conv(net.conv(x))),
    'norm called twice': lambda net, x: net.norm(net.norm(net.conv(x))),
    'norm first': lambda net, x: net.conv(net.norm(x)),
    'activation between': lambda net, x: net.norm(net.conv(x).relu()),
    'norm of something else': lambda net, x: net.norm(x) + net.conv(x),
    'two norms': lambda net, x: net.norm(net.conv(x)).relu(),
}


@pytest.mark.parametrize('case', NOT_FOLDED)
def test_what_does_not_follow_directly_stays(case):
    model = alive(Net(NOT_FOLDED[case]))
    image = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        before = model(image)
        folded = fold_batch_norm(model, image)
        after = model(image)
    assert folded == (case == 'two norms')
    torch.testing.assert_close(after, before)


def test_two_norms_of_one_convolution_stay():
    def forward(net, x):
        y = net.conv(x)
        return net.norm(y) + net.other(y)

    assert (
        fold_batch_norm(
            alive(Net(forward, other=nn.BatchNorm2d(3))), torch.randn(1, 3, 8, 8).double()
        )
        == 0
    )


def test_norms_that_do_not_use_fixed_statistics_stay():
    image = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    model = alive(Net(lambda net, x: net.norm(net.conv(x))))
    model.norm.train()
    assert fold_batch_norm(model, image) == 0
    model.norm.eval()
    assert fold_batch_norm(model, image) == 1
    batch_statistics = nn.BatchNorm2d(3, track_running_stats=False)
    model = nn.Sequential(nn.Conv2d(3, 3, 3), batch_statistics).double().eval()
    assert fold_batch_norm(model, image) == 0


def test_order_of_definition_does_not_matter():
    class Reversed(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.other = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
            self.conv1, self.conv2 = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)

        def forward(self, x):
            return self.norm(self.conv2(self.other(self.conv1(x)).relu_()))

    model = alive(Reversed())
    image = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        before = model(image)
        assert fold_batch_norm(model, image) == 2
        torch.testing.assert_close(model(image), before)


def test_conv_module_of_mmcv():
    model = alive(ConvModule(3, 4, 3, norm_cfg=dict(type='BN'), act_cfg=dict(type='ReLU')))
    image = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        before = model(image)
        assert fold_batch_norm(model, image) == 1
        torch.testing.assert_close(model(image), before)


def test_a_changed_output_is_an_error_and_leaves_the_model(monkeypatch):
    module = importlib.import_module('centernet_plugin.deploy.fold_batch_norm')
    monkeypatch.setattr(module, '_folded', lambda conv, norm: (conv.weight, conv.bias))
    model = alive(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    image = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        before, state = model(image), copy.deepcopy(model.state_dict())
        with pytest.raises(RuntimeError, match='changed an output by'):
            fold_batch_norm(model, image)
        assert torch.equal(model(image), before)
    assert list(model.state_dict()) == list(state)
    assert not model[0]._forward_hooks and not model[1]._forward_pre_hooks


def test_weights_that_are_not_numbers_are_an_error():
    model = alive(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    model[1].running_var.fill_(float('nan'))
    with pytest.raises(RuntimeError, match='nan'):
        fold_batch_norm(model, torch.randn(1, 3, 8, 8).double())


def test_a_subclass_with_a_forward_of_its_own_stays():
    class Standardised(nn.Conv2d):
        def forward(self, x):
            return self._conv_forward(x, self.weight - self.weight.mean(), self.bias)

    model = alive(nn.Sequential(Standardised(3, 4, 3), nn.BatchNorm2d(4)))
    assert fold_batch_norm(model, torch.randn(1, 3, 8, 8).double()) == 0
