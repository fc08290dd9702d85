import math

import numpy as np
import pytest
import torch

from centernet_plugin.models.functional.gaussian import draw_heatmap, gaussian_radius


def test_radius_is_the_published_one(steps):
    case = steps('geometry')
    height, width = torch.from_numpy(case['radius_hw']).double().T
    radius = gaussian_radius(height, width, 0.7, 'historical')
    np.testing.assert_allclose(radius.numpy(), case['radius'], rtol=0, atol=1e-9)


@pytest.mark.parametrize('overlap', [0.3, 0.5, 0.7])
def test_corrected_radius_keeps_the_overlap(overlap):
    """Each of the three displaced boxes has at least the IoU asked for, one of them just that."""
    sides = torch.tensor([[10.0, 20.0], [32.0, 32.0], [5.0, 90.0]], dtype=torch.float64)
    for height, width in sides:
        r = gaussian_radius(height, width, overlap, 'corrected')
        area = height * width
        inside = (height - 2 * r) * (width - 2 * r) / area
        outside = area / ((height + 2 * r) * (width + 2 * r))
        common = (height - r) * (width - r)
        shifted = common / (2 * area - common)
        ious = torch.stack([inside, outside, shifted])
        assert ious.min() == pytest.approx(overlap, abs=1e-9)


def test_radius_rules_on_a_square():
    side = torch.tensor(100.0)
    assert gaussian_radius(side, side, 0.7) == pytest.approx(27.332, abs=1e-3)
    assert gaussian_radius(side, side, 0.3, 'corrected') == pytest.approx(22.61, abs=1e-2)
    with pytest.raises(ValueError, match='historical'):
        gaussian_radius(side, side, rule='exact')


def test_heatmap_equals_a_loop_over_objects():
    generator = torch.Generator().manual_seed(0)
    count, planes, height, width = 60, 4, 20, 31
    centers = torch.stack(
        [
            torch.randint(width, (count,), generator=generator),
            torch.randint(height, (count,), generator=generator),
        ],
        dim=1,
    )
    radii = torch.randint(0, 9, (count,), generator=generator).float()
    plane = torch.randint(planes, (count,), generator=generator)
    weight = (torch.rand(count, generator=generator) > 0.2).float()
    expected = np.zeros((planes, height, width))
    columns = (centers.tolist(), radii.tolist(), plane.tolist(), weight.tolist())
    for (x, y), r, p, w in zip(*columns, strict=True):
        sigma = (2 * r + 1) / 6
        for v in range(height):
            for u in range(width):
                if w and abs(u - x) <= r and abs(v - y) <= r:
                    value = math.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * sigma**2))
                    expected[p, v, u] = max(expected[p, v, u], value)
    heatmap = draw_heatmap(centers, radii, plane, weight, planes, (height, width))
    np.testing.assert_allclose(heatmap.numpy(), expected, atol=1e-6)
    assert (heatmap == 1).sum() == (torch.from_numpy(expected) == 1).sum()


def test_heatmap_without_objects():
    none = torch.zeros(0, dtype=torch.int64)
    heatmap = draw_heatmap(none.view(0, 2), none, none, none, 3, (4, 5))
    assert heatmap.shape == (3, 4, 5) and heatmap.sum() == 0


def test_many_objects_are_drawn_in_parts(monkeypatch):
    centers = torch.randint(8, (50, 2), generator=torch.Generator().manual_seed(0))
    args = (centers, torch.full((50,), 2.0), torch.arange(50) % 3, torch.ones(50), 3, (8, 8))
    whole = draw_heatmap(*args)
    monkeypatch.setattr('centernet_plugin.models.functional.gaussian.CHUNK', 3 * 64)
    assert torch.equal(draw_heatmap(*args), whole)
