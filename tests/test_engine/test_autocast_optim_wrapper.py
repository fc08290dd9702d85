import pytest
import torch
from mmdet.registry import OPTIM_WRAPPERS
from mmengine.config import Config
from small_networks import Images, build
from torch import nn

from centernet_plugin.engine import AutocastOptimWrapper
from centernet_plugin.engine import autocast_optim_wrapper as module
from centernet_plugin.errors import UserInputError


def batch():
    items = [Images()[i] for i in range(2)]
    return {key: [item[key] for item in items] for key in items[0]}


def step(**wrapper):
    """The losses of a step, and the model after it."""
    model = build('resnet-dcn').train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    wrapper = OPTIM_WRAPPERS.build(dict(wrapper, optimizer=optimizer))
    seen = []
    model.neck.register_forward_hook(lambda *call: seen.append(call[-1][0].dtype))
    losses = model.train_step(batch(), wrapper)
    return losses, model, seen


def test_a_step_in_bfloat16_is_close_to_one_in_float32():
    expected, reference, seen = step(type='OptimWrapper')
    assert seen == [torch.float32]
    losses, model, seen = step(type='centernet_plugin.AutocastOptimWrapper', dtype='bfloat16')
    assert seen == [torch.bfloat16]
    for name, value in losses.items():
        assert value.dtype == torch.float32 and value.isfinite()
        torch.testing.assert_close(value, expected[name], rtol=0.05, atol=1e-3)
    assert float(losses['loss']) == pytest.approx(float(expected['loss']), rel=0.01)
    before = build('resnet-dcn')
    moved = 0
    for old, one, other in zip(*(m.parameters() for m in (before, model, reference)), strict=True):
        assert one.dtype == torch.float32 and one.isfinite().all()
        moved += (one != old).any() and (one != other).any()
    assert moved > 40


def test_float16_is_refused():
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    with pytest.raises(UserInputError, match="'bfloat16', not 'float16'; .*AmpOptimWrapper"):
        AutocastOptimWrapper(optimizer=optimizer, dtype='float16')


@pytest.mark.parametrize('device', ['cpu', 'cuda'])
@pytest.mark.parametrize('given', ['OptimWrapper', 'AmpOptimWrapper', 'mmengine.AmpOptimWrapper'])
def test_mixed_precision_of_a_config(monkeypatch, device, given):
    monkeypatch.setattr(module, 'get_device', lambda: device)
    scaled = dict(loss_scale=512.0, dtype='float16') if 'Amp' in given else {}
    optimizer = dict(type='SGD', lr=1.0)
    cfg = Config(dict(optim_wrapper=dict(type=given, optimizer=optimizer, **scaled)))
    module.use_mixed_precision(cfg)
    expected = dict(
        cpu=dict(type='centernet_plugin.AutocastOptimWrapper'),
        cuda=dict(dict(loss_scale='dynamic'), **scaled, type='AmpOptimWrapper'),
    )
    assert cfg.optim_wrapper == dict(expected[device], optimizer=optimizer)


@pytest.mark.parametrize('device', ['cpu', 'cuda'])
def test_a_config_in_bfloat16_stays(monkeypatch, device):
    monkeypatch.setattr(module, 'get_device', lambda: device)
    wrapper = dict(type='centernet_plugin.AutocastOptimWrapper', dtype='bfloat16')
    cfg = Config(dict(optim_wrapper=wrapper))
    module.use_mixed_precision(cfg)
    assert cfg.optim_wrapper == wrapper
