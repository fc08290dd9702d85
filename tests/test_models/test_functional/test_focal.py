import obvious
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from obvious import draw_objects

from centernet_plugin.models.functional import focal
from centernet_plugin.models.functional.focal import focal_loss_and_gradient
from centernet_plugin.models.functional.heatmap import HeatmapTarget, build_heatmap_target

EXTREME = (0.0, -2.19, 3.0, 9.2, 9.3, -9.2, -9.3, 20.0, -20.0, 80.0, -80.0, 200.0, -200.0)


def draw_case(seed, shape, count, ignored=False):
    """Logits, many of them saturated, and a target."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(shape, generator=generator, dtype=torch.float64) * 3
    extreme = torch.tensor(EXTREME, dtype=torch.float64)
    pick = torch.randint(len(EXTREME), shape, generator=generator)
    logits = torch.where(torch.rand(shape, generator=generator) < 0.3, extreme[pick], logits)
    regions = None
    if ignored:
        low = torch.rand(3, 2, generator=generator) * 5
        planes = torch.randint(shape[0] * shape[1], (3,), generator=generator)
        regions = (planes, torch.cat([low, low + 3], dim=1))
    objects = draw_objects(seed, count, shape)
    return logits, build_heatmap_target(**objects, shape=shape, max_radius=8, ignored=regions)


def assert_equals_the_obvious(logits, target, tolerance, **options):
    expected_logits = logits.double().clone().requires_grad_()
    ignore = target.dense_ignore()
    expected = obvious.focal_loss(
        expected_logits,
        target.dense().double(),
        ignore=None if ignore is None else ignore.double(),
        **options,
    )
    expected.backward()
    loss, gradient = focal_loss_and_gradient(logits, target, **options)
    torch.testing.assert_close(loss.double(), expected.detach(), rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(
        gradient.double(), expected_logits.grad, rtol=tolerance, atol=tolerance
    )


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(0, 40),
    clamp=st.sampled_from([1e-4, None]),
    ignored=st.booleans(),
    exponents=st.sampled_from([(2.0, 4.0), (1.5, 3.0), (2.0, 1.0)]),
    layout=st.sampled_from([torch.contiguous_format, torch.channels_last]),
)
def test_value_and_gradient_equal_those_of_autograd(seed, count, clamp, ignored, exponents, layout):
    alpha, beta = exponents
    logits, target = draw_case(seed, (2, 5, 6, 7), count, ignored)
    logits = logits.contiguous(memory_format=layout)
    assert_equals_the_obvious(logits, target, 1e-9, clamp=clamp, alpha=alpha, beta=beta)


@pytest.mark.parametrize('chunk', [1, 50, 100, 10**9])
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_parts_add_up(monkeypatch, chunk, layout):
    monkeypatch.setattr(focal, 'CPU_CHUNK', chunk)
    logits, target = draw_case(2, (2, 5, 6, 7), 6)
    # Something is drawn on each plane kept: to leave out any of them would show.
    assert 2 < len(target.planes) < 10 and target.values.flatten(1).any(1).all()
    assert_equals_the_obvious(logits.contiguous(memory_format=layout), target, 1e-9, clamp=1e-4)


def test_any_strides_are_taken():
    logits, target = draw_case(0, (2, 5, 6, 7), 6)
    backwards = logits.transpose(2, 3).contiguous().transpose(2, 3)
    assert not backwards.is_contiguous()
    loss, gradient = focal_loss_and_gradient(backwards, target)
    expected, expected_gradient = focal_loss_and_gradient(logits, target)
    assert torch.equal(gradient, expected_gradient) and loss == expected


@pytest.mark.parametrize('count', [6, 200])
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_gradient_has_the_layout_of_the_logits(count, layout):
    logits, target = draw_case(0, (2, 5, 6, 7), count)
    logits = logits.contiguous(memory_format=layout)
    _, gradient = focal_loss_and_gradient(logits, target)
    assert gradient.stride() == logits.stride()


def test_probabilities_at_the_clamp_keep_their_gradient():
    """The original's clamp lets a probability through that equals its bound."""
    bound = torch.tensor(1e-4)
    logits = torch.linspace(-9.2105, -9.2100, 4001).view(1, 1, 1, -1)
    target = HeatmapTarget.from_dense(torch.zeros_like(logits))
    _, gradient = focal_loss_and_gradient(logits, target, clamp=1e-4)
    alive = logits.sigmoid() >= bound
    assert 0 < alive.sum() < alive.numel()
    assert torch.equal(gradient != 0, alive)


def test_no_gradient_is_made_where_none_is_wanted():
    logits, target = draw_case(0, (2, 5, 6, 7), 6)
    loss, gradient = focal_loss_and_gradient(logits, target, with_gradient=False)
    assert gradient is None and loss == focal_loss_and_gradient(logits, target)[0]


def test_nor_by_the_compiled_form(monkeypatch):
    monkeypatch.setattr(focal, '_compiled', lambda: focal._every_cell)
    logits, target = draw_case(0, (2, 5, 6, 7), 6)
    loss, gradient = focal_loss_and_gradient(logits, target, with_gradient=False, compile=True)
    assert gradient is None
    assert loss.item() == pytest.approx(focal_loss_and_gradient(logits, target)[0].item())


def test_float32_sums_of_many_cells_keep_their_digits():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 20, 64, 64, generator=generator) - 2
    target = HeatmapTarget.from_dense(torch.zeros_like(logits))
    target.planes, target.values = target.planes[:1], target.values[:1]
    expected = obvious.focal_loss(logits.double(), torch.zeros_like(logits), clamp=None)
    loss, _ = focal_loss_and_gradient(logits, target, clamp=None)
    assert loss.item() == pytest.approx(expected.item(), rel=3e-7)


@pytest.mark.slow
@pytest.mark.parametrize('clamp', [1e-4, None])
def test_compiled_equals_eager(clamp):
    for count in (7, 3, 0, 400):
        logits, target = draw_case(count, (2, 5, 60, 70), count)
        logits = logits.float()
        loss, gradient = focal_loss_and_gradient(logits, target, clamp=clamp)
        fused, fused_gradient = focal_loss_and_gradient(logits, target, clamp=clamp, compile=True)
        torch.testing.assert_close(fused, loss, rtol=1e-6, atol=0)
        torch.testing.assert_close(fused_gradient, gradient, rtol=1e-5, atol=1e-6)
