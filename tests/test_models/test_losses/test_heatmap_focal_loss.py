import importlib

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from centernet_plugin.models.functional.heatmap import HeatmapTarget, build_heatmap_target
from centernet_plugin.models.losses import HeatmapFocalLoss, heatmap_focal_loss

dense = HeatmapTarget.from_dense


@pytest.mark.parametrize('name', ['objects', 'empty'])
def test_value_and_gradient_are_the_published_ones(steps, name):
    case = steps('losses')
    logits = torch.from_numpy(case[f'{name}.logits']).requires_grad_()
    loss = heatmap_focal_loss(logits, dense(torch.from_numpy(case[f'{name}.target'])))
    loss.backward()
    np.testing.assert_allclose(loss.item(), case[f'{name}.focal'], rtol=1e-6)
    np.testing.assert_allclose(
        logits.grad.numpy(), case[f'{name}.focal_grad'], atol=2e-6, rtol=2e-6
    )


def test_clamp_has_zero_gradient_and_its_absence_has_not():
    logits = torch.tensor([[[[-20.0, 20.0]]]])
    target = dense(torch.tensor([[[[1.0, 0.0]]]]))  # both wrong with certainty
    for clamp, alive in ((1e-4, False), (None, True)):
        x = logits.clone().requires_grad_()
        heatmap_focal_loss(x, target, clamp=clamp).backward()
        assert bool((x.grad != 0).all()) is alive
        assert x.grad.isfinite().all()


def test_unclamped_equals_clamped_in_the_middle():
    logits = torch.linspace(-5, 5, 40, dtype=torch.float64).view(1, 1, 5, 8)
    target = torch.rand(1, 1, 5, 8, dtype=torch.float64)
    target[0, 0, 2, 2] = 1
    a, b = (heatmap_focal_loss(logits, dense(target), clamp=clamp) for clamp in (1e-4, None))
    assert a.item() == pytest.approx(b.item(), rel=1e-12)


def test_gradient_of_the_unclamped_form():
    logits = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    target = torch.rand(1, 2, 3, 3, dtype=torch.float64)
    target[0, 0, 1, 1] = 1
    target = dense(target)
    assert torch.autograd.gradcheck(lambda x: heatmap_focal_loss(x, target, clamp=None), logits)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('clamp', [1e-4, None])
def test_half_precision_stays_finite(dtype, clamp):
    logits = torch.tensor([[[[-60.0, 60.0, 0.0]]]], dtype=dtype, requires_grad=True)
    loss = heatmap_focal_loss(logits, dense(torch.tensor([[[[1.0, 0.0, 0.5]]]])), clamp=clamp)
    loss.backward()
    assert loss.dtype == torch.float32 and loss.isfinite() and logits.grad.isfinite().all()


def test_ignored_background_does_not_count():
    logits = torch.zeros(1, 1, 2, 2, requires_grad=True)
    target = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    ignore = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    HeatmapFocalLoss(loss_weight=2)(logits, dense(target, ignore)).backward()
    assert logits.grad[0, 0, 0, 0] < 0, 'a peak counts wherever it lies'
    assert logits.grad[0, 0, 0, 1] == 0 and logits.grad[0, 0, 1, 1] > 0


def test_module_hands_its_options_on_and_weighs(monkeypatch):
    seen = {}
    # The package has a function of the module's name.
    module = importlib.import_module('centernet_plugin.models.losses.heatmap_focal_loss')

    def note(logits, target, **options):
        seen.update(options)
        return logits.sum(), None

    monkeypatch.setattr(module, 'focal_loss_and_gradient', note)
    loss = HeatmapFocalLoss(alpha=1.5, beta=3.0, clamp=None, compile=True, loss_weight=0.5)
    options = dict(alpha=1.5, beta=3.0, clamp=None, compile=True, with_gradient=False)
    value = loss(torch.ones(1, 1, 2, 2), dense(torch.zeros(1, 1, 2, 2)))
    assert value == 2
    assert seen == dict(options, avg_factor=None)
    loss(torch.ones(1, 1, 2, 2), dense(torch.zeros(1, 1, 2, 2)), avg_factor=5)
    assert seen == dict(options, avg_factor=5)


def test_divided_by_another_number():
    logits, target = torch.randn(1, 2, 8, 8, requires_grad=True), torch.zeros(1, 2, 8, 8)
    target[0, 0, 3, 3] = target[0, 1, 5, 5] = 1
    plain = heatmap_focal_loss(logits, dense(target))
    (gradient,) = torch.autograd.grad(plain, logits)
    other = heatmap_focal_loss(logits, dense(target), avg_factor=torch.tensor(0.5))
    torch.testing.assert_close(other, 4 * plain)
    torch.testing.assert_close(torch.autograd.grad(other, logits)[0], 4 * gradient)


def test_gradient_takes_what_comes_down():
    """A factor of the loss, a second backward pass, several stacks added up."""
    logits = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    target = dense(torch.rand(2, 3, 4, 5).round())
    (once,) = torch.autograd.grad(heatmap_focal_loss(logits, target), logits)
    loss = heatmap_focal_loss(logits, target)
    (thrice,) = torch.autograd.grad(3 * loss, logits, retain_graph=True)
    (again,) = torch.autograd.grad(loss, logits)
    torch.testing.assert_close(thrice, 3 * once)
    assert torch.equal(again, once)
    (loss_of_both,) = torch.autograd.grad(
        heatmap_focal_loss(logits, target) + heatmap_focal_loss(logits, target), logits
    )
    torch.testing.assert_close(loss_of_both, 2 * once)


def test_cannot_be_differentiated_twice():
    logits = torch.randn(1, 1, 2, 2, requires_grad=True)
    factor = torch.ones((), requires_grad=True)
    loss = heatmap_focal_loss(logits, dense(torch.zeros(1, 1, 2, 2))) * factor
    (gradient,) = torch.autograd.grad(loss, logits, create_graph=True)
    with pytest.raises(RuntimeError, match='once_differentiable'):
        gradient.sum().backward()


def test_logits_of_another_size_are_named():
    with pytest.raises(ValueError, match=r'\(1, 2, 4, 4\).*\(1, 2, 4, 5\)'):
        heatmap_focal_loss(torch.zeros(1, 2, 4, 4), dense(torch.zeros(1, 2, 4, 5)))


@pytest.mark.parametrize('dtype, error', [(torch.bfloat16, 1e-2), (torch.float16, 1e-2)])
@pytest.mark.parametrize('clamp', [1e-4, None])
def test_half_precision_is_close(dtype, error, clamp):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 8, 32, 32, generator=generator) * 2 - 2
    target = torch.rand(2, 8, 32, 32, generator=generator) ** 8
    target[:, :, 3, 4] = 1
    full, half = (
        heatmap_focal_loss(logits.to(kind), dense(target), clamp=clamp)
        for kind in (torch.float32, dtype)
    )
    assert half.item() == pytest.approx(full.item(), rel=error)
    assert half.dtype == torch.float32


class CountWholeMaps(TorchDispatchMode):
    """Counts tensors that are made as large as a map."""

    def __init__(self, cells):
        super().__init__()
        self.cells, self.seen = cells, {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor) and out.numel() >= self.cells:
            self.seen[out.untyped_storage().data_ptr()] = out  # kept alive: no address comes twice
        return out


@pytest.mark.parametrize('factor, count', [(1.0, 2), (0.5, 3)])
def test_no_map_but_the_logits_and_their_gradient(monkeypatch, factor, count):
    """Where another factor comes down than 1, the gradient times the factor as well."""
    monkeypatch.setattr('centernet_plugin.models.functional.focal.CPU_CHUNK', 64)
    logits = torch.randn(2, 9, 16, 16, requires_grad=True)
    planes = torch.tensor([4, 4, 11])
    target = build_heatmap_target(
        planes,
        torch.tensor([[3, 4], [5, 5], [9, 9]]),
        torch.tensor([2.0, 3.0, 5.0]),
        (2, 9, 16, 16),
        max_radius=5,
    )
    with CountWholeMaps(logits.numel()) as maps:
        maps.seen[logits.untyped_storage().data_ptr()] = logits
        torch.autograd.grad(heatmap_focal_loss(logits, target) * factor, logits)
    assert len(maps.seen) == count
