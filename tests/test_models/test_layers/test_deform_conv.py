"""Deformable convolution against a reference of loops, plain convolution and mmcv's operator."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from centernet_plugin.models.layers import deform_conv_cpu
from centernet_plugin.models.layers.deform_conv import (
    ModulatedDeformConv2d,
    modulated_deform_conv2d,
)

CASES = {
    'plain': dict(),
    'stride_and_dilation': dict(stride=(2, 1), padding=(1, 2), dilation=(1, 2)),
    'groups': dict(groups=2, padding=1),
    'deform_groups': dict(deform_groups=2, padding=1),
    'all': dict(groups=2, deform_groups=4, stride=2, padding=2, dilation=2),
    'oblong_kernel': dict(kernel=(1, 3), padding=(0, 1)),
}


@pytest.fixture(autouse=True, params=['grid', 'rows'])
def form(request, monkeypatch):
    """Both ways of computing it, wherever the tests run; rows in parts that are seen to meet."""
    rows = request.param == 'rows'

    def is_usable(x, groups, deform_groups):
        return rows and groups == deform_groups == 1

    monkeypatch.setattr(deform_conv_cpu, 'is_usable', is_usable)
    monkeypatch.setattr(deform_conv_cpu, 'POSITIONS', 8)
    return request.param


def draw(kernel=(3, 3), size=(5, 6), scale=1.5, dtype=torch.float64, batch=1, **kwargs):
    """(x, offset, mask, weight, bias) that fit the options, all with gradients."""
    generator = torch.Generator().manual_seed(0)

    def randn(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    x, weight, bias = (
        randn(batch, 4, *size),
        randn(6, 4 // kwargs.get('groups', 1), *kernel),
        randn(6),
    )
    conv = {k: kwargs[k] for k in ('stride', 'padding', 'dilation', 'groups') if k in kwargs}
    out = F.conv2d(x.float(), weight.float(), **conv).shape[2:]
    taps = kernel[0] * kernel[1] * kwargs.get('deform_groups', 1)
    offset, mask = scale * randn(batch, 2 * taps, *out), randn(batch, taps, *out).sigmoid()
    return tuple(t.requires_grad_() for t in (x, offset, mask, weight, bias))


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


def reference(
    x, offset, mask, weight, bias, stride=1, padding=0, dilation=1, groups=1, deform_groups=1
):
    """The definition, one sample at a time."""
    stride, padding, dilation = pair(stride), pair(padding), pair(dilation)
    height, width = x.shape[2:]
    kh, kw = weight.shape[2:]
    taps = kh * kw

    def sample(n, c, y, x_):
        if not (-1 < y < height and -1 < x_ < width):
            return x.new_zeros(())
        y0, x0 = int(y.floor()), int(x_.floor())
        value = x.new_zeros(())
        for yi, wy in ((y0, 1 - (y - y0)), (y0 + 1, y - y0)):
            for xi, wx in ((x0, 1 - (x_ - x0)), (x0 + 1, x_ - x0)):
                if 0 <= yi < height and 0 <= xi < width:
                    value = value + wy * wx * x[n, c, yi, xi]
        return value

    images = []
    for n in range(x.shape[0]):
        columns = x.new_zeros(0)
        rows = []
        for c in range(x.shape[1]):
            g = c // (x.shape[1] // deform_groups)
            for t in range(taps):
                i, j = divmod(t, kw)
                for p in range(mask.shape[2]):
                    for q in range(mask.shape[3]):
                        k = g * taps + t
                        y = p * stride[0] - padding[0] + i * dilation[0] + offset[n, 2 * k, p, q]
                        x_ = (
                            q * stride[1]
                            - padding[1]
                            + j * dilation[1]
                            + offset[n, 2 * k + 1, p, q]
                        )
                        rows.append(sample(n, c, y, x_) * mask[n, k, p, q])
        columns = torch.stack(rows).view(groups, -1, mask.shape[2] * mask.shape[3])
        images.append((weight.view(groups, weight.shape[0] // groups, -1) @ columns).flatten(0, 1))
    return torch.stack(images).view(x.shape[0], -1, *mask.shape[2:]) + bias.view(-1, 1, 1)


def options(case):
    return {k: v for k, v in CASES[case].items() if k != 'kernel'}


@pytest.mark.parametrize('case', CASES)
@pytest.mark.parametrize('integer', [False, True])
def test_equals_the_definition_with_gradients(case, integer):
    inputs = draw(**CASES[case])
    if integer:  # every sample on a kink, many of them exactly on the border and just beyond it
        with torch.no_grad():
            inputs[1].round_()
    out = modulated_deform_conv2d(*inputs, **options(case))
    expected = reference(*inputs, **options(case))
    assert torch.allclose(out, expected, rtol=0, atol=1e-9)
    seed = torch.randn_like(out)
    gradients = torch.autograd.grad(out, inputs, seed)
    for value, target in zip(gradients, torch.autograd.grad(expected, inputs, seed), strict=True):
        assert torch.allclose(value, target, rtol=0, atol=1e-9)


@pytest.mark.parametrize('case', ['plain', 'all'])
def test_gradcheck(case):
    inputs = draw(size=(5, 5), batch=1, **CASES[case])
    assert gradcheck(lambda *args: modulated_deform_conv2d(*args, **options(case)), inputs)


@pytest.mark.parametrize('size', [(1, 1), (2, 3), (17, 31), (33, 64), (100, 152)])
def test_offset_zero_is_exactly_the_plain_convolution(size):
    """In float32, to the last bit: integers in, integer positions, no interpolation."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randint(-8, 9, (1, 4, *size), generator=generator).float()
    weight = torch.randint(-8, 9, (3, 4, 3, 3), generator=generator).float()
    offset, mask = torch.zeros(1, 18, *size), torch.ones(1, 9, *size)
    out = modulated_deform_conv2d(x, offset, mask, weight, padding=1)
    assert torch.equal(out, F.conv2d(x, weight, padding=1))


@pytest.mark.parametrize('size', [7, 63, 150, 200])
def test_integer_offsets_stay_integer(size):
    """Offset gradients in float32 are those of float64: no sample slipped off its kink."""
    x = torch.randn(1, 2, size, size, generator=torch.Generator().manual_seed(2))
    shifts = torch.randint(-3, 4, (1, 18, size, size), generator=torch.Generator().manual_seed(3))
    gradients = []
    for dtype in (torch.float32, torch.float64):
        offset = shifts.to(dtype).requires_grad_()
        mask = torch.ones(1, 9, size, size, dtype=dtype)
        weight = torch.ones(1, 2, 3, 3, dtype=dtype)
        modulated_deform_conv2d(x.to(dtype), offset, mask, weight, padding=1).sum().backward()
        gradients.append(offset.grad.double())
    assert torch.allclose(*gradients, rtol=0, atol=1e-4)


@pytest.mark.parametrize('case', CASES)
def test_equals_mmcv(case):
    ops = pytest.importorskip(
        'mmcv.ops', reason='mmcv has no compiled operators', exc_type=ImportError
    )
    inputs = draw(dtype=torch.float32, **CASES[case])
    kwargs = dict(stride=1, padding=0, dilation=1, groups=1, deform_groups=1) | options(case)
    try:
        expected = ops.modulated_deform_conv2d(*inputs, *kwargs.values())
    except RuntimeError as error:
        pytest.skip(f'mmcv has no compiled operators: {error}')
    out = modulated_deform_conv2d(*inputs, **kwargs)
    assert torch.allclose(out, expected, rtol=0, atol=1e-4)
    seed = torch.randn_like(out)
    gradients = torch.autograd.grad(out, inputs, seed)
    for value, target in zip(gradients, torch.autograd.grad(expected, inputs, seed), strict=True):
        assert torch.allclose(value, target, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_samples_in_float32(dtype):
    low = draw(size=(40, 40), padding=1, dtype=dtype)
    out = modulated_deform_conv2d(*low, padding=1)
    expected = modulated_deform_conv2d(*(t.double() for t in low), padding=1)
    assert out.dtype == dtype
    assert (out - expected).abs().max() <= 4 * torch.finfo(dtype).eps * expected.abs().max()
    out.sum().backward()
    assert all(t.grad.dtype == dtype and t.grad.isfinite().all() for t in low)


def test_autocast():
    layer = ModulatedDeformConv2d(4, 6, padding=1)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = layer(torch.randn(1, 4, 8, 8))
    assert out.dtype == torch.bfloat16
    out.float().sum().backward()
    assert layer.weight.grad.isfinite().all()


def test_far_and_infinite_offsets_contribute_nothing():
    x, offset, mask, weight, bias = draw()
    for far in (1e6, -1e12, 1e30, float('inf'), -float('inf')):
        out = modulated_deform_conv2d(x, torch.full_like(offset, far), mask, weight, bias)
        assert torch.equal(out, bias.view(-1, 1, 1).expand_as(out))


def test_fresh_layer_is_half_a_convolution():
    layer = ModulatedDeformConv2d(64, 8, padding=1)
    x = torch.randn(2, 64, 9, 11)
    assert torch.allclose(layer(x), F.conv2d(x, layer.weight, padding=1) / 2, atol=1e-5)
    assert layer.weight.abs().max() <= 1 / 24  # 1 / sqrt(64 * 9)
    assert layer.weight.abs().max() > 0.9 / 24
    assert not layer.bias.any() and not layer.conv_offset.weight.any()
    assert {k: tuple(v.shape) for k, v in layer.state_dict().items()} == {
        'weight': (8, 64, 3, 3),
        'bias': (8,),
        'conv_offset.weight': (27, 64, 3, 3),
        'conv_offset.bias': (27,),
    }
    layer(x).sum().backward()
    assert all(p.grad is not None for p in layer.parameters())


def test_layer_options():
    layer = ModulatedDeformConv2d(4, 6, (3, 1), 2, (1, 0), 1, groups=2, deform_groups=4, bias=False)
    assert layer(torch.randn(1, 4, 8, 9)).shape == (1, 6, 4, 5)
    assert 'bias' not in layer.state_dict()


def test_empty_batch_keeps_the_graph():
    layer = ModulatedDeformConv2d(4, 6, padding=1)
    out = layer(torch.zeros(0, 4, 8, 9))
    assert out.shape == (0, 6, 8, 9)
    out.sum().backward()
    assert not layer.weight.grad.any()


def test_batch_equals_single():
    layer = ModulatedDeformConv2d(4, 6, padding=1).double()
    torch.nn.init.normal_(layer.conv_offset.weight)
    x = torch.randn(3, 4, 8, 9, dtype=torch.float64)
    assert torch.allclose(layer(x), torch.cat([layer(image) for image in x.split(1)]), atol=1e-12)


def test_wrong_shapes_are_named():
    x, offset, mask, weight, bias = draw()
    for wrong, message in (
        ((x[:, :3], offset, mask, weight), 'x has 3 channels'),
        ((x, offset[:, :16], mask, weight), r'offset must have shape \(1, 18, 3, 4\)'),
        ((x, offset, mask[:, :8], weight), r'mask must have shape \(1, 9, 3, 4\)'),
        ((x, offset, mask[..., :2], weight), 'mask must have shape'),
        ((x, offset, mask, weight, bias[:5]), r'bias must have shape \(6,\)'),
        ((x[0], offset, mask, weight), '4 dimensions'),
        ((x[..., :2], offset, mask, weight), 'smaller than the kernel'),
    ):
        with pytest.raises(ValueError, match=message):
            modulated_deform_conv2d(*wrong)
    with pytest.raises(ValueError, match='deform_groups=3'):
        modulated_deform_conv2d(x, offset, mask, weight, deform_groups=3)
    with pytest.raises(ValueError, match='groups=3'):
        ModulatedDeformConv2d(4, 6, groups=3)


def test_mmcv_is_asked_for_by_name():
    """Without compiled operators the placeholder says what is missing, not a crash."""
    layer = ModulatedDeformConv2d(4, 4, padding=1, backend='mmcv')
    x = torch.rand(1, 4, 5, 5)
    try:
        out = layer(x)
    except (RuntimeError, ImportError) as error:
        assert 'modulated_deform_conv_forward' in str(error)
    else:
        layer.backend = 'torch'
        assert torch.allclose(out, layer(x), atol=1e-4)
    with pytest.raises(ValueError, match="'torch' or 'mmcv'"):
        ModulatedDeformConv2d(4, 4, backend='cuda')


@pytest.mark.parametrize('deform_groups', [1, 2])
def test_batches_in_any_memory_format(deform_groups):
    layer = ModulatedDeformConv2d(8, 8, padding=1, deform_groups=deform_groups)
    torch.nn.init.normal_(layer.conv_offset.weight, std=0.1)
    x = torch.rand(2, 8, 6, 7)
    expected = torch.cat([layer(x[:1]), layer(x[1:])])
    torch.testing.assert_close(layer(x), expected)
    layer = layer.to(memory_format=torch.channels_last)
    torch.testing.assert_close(layer(x.to(memory_format=torch.channels_last)), expected)


@pytest.mark.parametrize('form', ['rows'], indirect=True)
def test_the_cpu_form_is_used_where_it_can_be(form, monkeypatch):
    monkeypatch.undo()
    layer, x = ModulatedDeformConv2d(2, 2, padding=1), torch.rand(1, 2, 4, 4)
    called = []

    def spy(*args):
        called.append(args)
        return torch.zeros(1, 2, 4, 4)

    monkeypatch.setattr(deform_conv_cpu, 'deform_conv_cpu', spy)
    layer(x)
    assert bool(called) == ('fbgemm' in torch.backends.quantized.supported_engines)
    called.clear()
    ModulatedDeformConv2d(2, 2, padding=1, groups=2)(x)
    ModulatedDeformConv2d(2, 2, padding=1, deform_groups=2)(x)
    assert not called


@pytest.mark.parametrize('form', ['rows'], indirect=True)
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_forms_agree_on_any_size_and_offset(form, data):
    """Rows against the grid, values and gradients, integer and absurd offsets among the rest."""
    few = st.integers(1, 3)
    channels, out, kernel = data.draw(few), data.draw(few), (data.draw(few), data.draw(few))
    stride, dilation = data.draw(st.tuples(few, few)), data.draw(st.tuples(few, few))
    padding = data.draw(st.tuples(*[st.integers(0, 3)] * 2))
    size = tuple(
        data.draw(st.integers(max(dilation[i] * (kernel[i] - 1) + 1 - 2 * padding[i], 1), 9))
        for i in (0, 1)
    )
    batch = data.draw(st.integers(0, 2))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 999)))

    def randn(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    x, weight = randn(batch, channels, *size), randn(out, channels, *kernel)
    shape = F.conv2d(x, weight, None, stride, padding, dilation).shape[2:]
    taps = kernel[0] * kernel[1]
    offset, mask = 3 * randn(batch, 2 * taps, *shape), randn(batch, taps, *shape)
    integer = randn(*offset.shape) > 0
    offset[integer] = offset[integer].round()  # on kinks, the border and just beyond it
    odd = data.draw(st.sampled_from([0.0, 1e7, -1e30, float('inf'), -float('inf'), float('nan')]))
    offset[randn(*offset.shape) > 1.5] = odd
    inputs = [t.requires_grad_() for t in (x, offset, mask, weight)]
    results = []
    for usable in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(deform_conv_cpu, 'is_usable', lambda *args, usable=usable: usable)
            value = modulated_deform_conv2d(*inputs, None, stride, padding, dilation)
        seed = torch.linspace(-1, 1, value.numel(), dtype=torch.float64).view_as(value)
        results.append((value, *torch.autograd.grad(value, inputs, seed, allow_unused=True)))
    if batch:
        for ours, expected in zip(*results, strict=True):
            torch.testing.assert_close(ours, expected, rtol=0, atol=1e-9)


def test_nan_offsets_contribute_nothing():
    x, offset, mask, weight, bias = draw()
    with torch.no_grad():
        offset[:, 6] = float('nan')  # dy of tap 3
    out = modulated_deform_conv2d(x, offset, mask, weight, bias)
    silent = mask.detach().clone()
    silent[:, 3] = 0
    rest = torch.where(offset.isnan(), 0, offset)
    assert torch.allclose(out, modulated_deform_conv2d(x, rest, silent, weight, bias), atol=1e-12)
    gradients = torch.autograd.grad(out.sum(), (x, offset, mask, weight))
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize('form', ['rows'], indirect=True)
def test_nothing_sampled_is_kept_for_backward(form):
    """The columns, nine times the input, are sampled again; the grid would keep them twice."""
    x, offset, mask, weight, _ = draw(size=(12, 12), padding=1)
    kept = []

    def pack(tensor):
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        modulated_deform_conv2d(x, offset, mask, weight, padding=1)
    assert sum(kept) == x.numel() + offset.numel() + mask.numel() + weight.numel()


@pytest.mark.parametrize('form', ['rows'], indirect=True)
def test_second_derivative_is_refused(form):
    x, *rest = draw()
    (gradient,) = torch.autograd.grad(
        modulated_deform_conv2d(x, *rest).square().sum(), x, create_graph=True
    )
    with pytest.raises(RuntimeError, match='once_differentiable'):
        gradient.sum().backward()


@pytest.mark.parametrize('form', ['grid'], indirect=True)
@pytest.mark.filterwarnings('ignore')  # of tracing: checked shapes are constants, as they should be
def test_graphs_hold_grid_sample(form, monkeypatch):
    """Traced, exported or compiled, without breaks, whatever is used outside of graphs."""
    monkeypatch.undo()
    layer, x = ModulatedDeformConv2d(2, 3, padding=1), torch.rand(1, 2, 5, 6)
    torch.nn.init.normal_(layer.conv_offset.weight)
    expected = layer(x)
    traced = torch.jit.trace(layer, x)
    assert 'aten::grid_sampler' in str(traced.inlined_graph)
    exported = torch.export.export(layer, (x,))
    assert 'grid_sampler' in str(exported.graph)
    compiled = torch.compile(layer, backend='eager', fullgraph=True)
    for run in (traced, exported.module(), compiled):
        torch.testing.assert_close(run(x), expected)
