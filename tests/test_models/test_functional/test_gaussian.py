import numpy as np
import pytest
import torch

from centernet_plugin.models.functional.gaussian import gaussian_radius


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


@pytest.mark.parametrize('rule, overlap', [('historical', 0.7), ('corrected', 0.3)])
def test_larger_boxes_have_no_smaller_radius(rule, overlap):
    """So the window of the largest box that a map can hold is large enough for all."""
    side = torch.arange(1.0, 200)
    radius = gaussian_radius(side[:, None], side, overlap, rule)
    assert (radius.diff(dim=0) >= -1e-4).all() and (radius.diff(dim=1) >= -1e-4).all()
