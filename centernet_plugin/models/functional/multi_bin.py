"""Angles as two overlapping bins and the angle from each bin's centre (arXiv 1612.00496).

The encoding is that of the paper's appendix: 8 values, for each bin two logits (outside, inside),
the sine and the cosine of the angle from its centre. Bin 0 is centred at -pi/2, bin 1 at pi/2; each
reaches pi/6 beyond its half of the circle.

Legend: M samples.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

CENTERS = (-math.pi / 2, math.pi / 2)
REACH = math.pi / 6


def wrap(angles: Tensor) -> Tensor:
    """Angles in [-pi, pi). Any shape, radians"""
    return torch.remainder(angles + math.pi, 2 * math.pi) - math.pi


def inside_bins(angles: Tensor) -> Tensor:
    """Whether angles in [-pi, pi] are within each bin. (M,) -> (M, 2), bool"""
    first = (angles < REACH) | (angles > math.pi - REACH)
    second = (angles > -REACH) | (angles < -math.pi + REACH)
    return torch.stack([first, second], dim=1)


def multi_bin_loss(
    values: Tensor,
    angles: Tensor,
    weight: Tensor,
    rows: Tensor | int,
    normalizer: Callable[[Tensor, Callable[[Tensor], Tensor]], Tensor],
) -> Tensor:
    """Cross-entropy of the bins, and smooth L1 of sine and cosine in the bins that hold the angle.

    Args:
        values: (M, 8).
        angles: in [-pi, pi]; NaN has no weight. (M,)
        weight: (M,).
        rows: what the cross-entropies are divided by.
        normalizer: :meth:`CenterTargets.normalizer`; the smooth L1 is averaged over the samples in
            each bin, as published.

    Returns:
        Scalar.
    """
    known = ~angles.isnan()
    weight, angles = weight * known, torch.where(known, angles, 0).to(values.dtype)
    inside = inside_bins(angles)
    loss = values.new_zeros(())
    for i, center in enumerate(CENTERS):
        logits, direction = values[:, 4 * i : 4 * i + 2], values[:, 4 * i + 2 : 4 * i + 4]
        entropy = F.cross_entropy(logits, inside[:, i].long(), reduction='none')  # (M,)
        residual = angles - center
        target = torch.stack([residual.sin(), residual.cos()], dim=1)
        distance = F.smooth_l1_loss(direction, target, reduction='none').sum(1)  # (M,)
        within = weight * inside[:, i]
        loss = loss + (entropy * weight).sum() / rows
        inside_bin = normalizer(within.sum(), lambda count: count.clamp(min=1))
        loss = loss + (distance * within).sum() / inside_bin
    return loss


def decode_multi_bin(values: Tensor) -> Tensor:
    """The angle of the likelier bin, in [-pi, pi). (..., 8) -> (...), radians"""
    angles = [
        torch.atan2(values[..., 4 * i + 2], values[..., 4 * i + 3]) + center
        for i, center in enumerate(CENTERS)
    ]
    # The published rule: of the two logits of being inside, the higher wins.
    return wrap(torch.where(values[..., 1] > values[..., 5], *angles))
