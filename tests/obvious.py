"""The slow, obvious forms of what the package computes fast, and random cases for both."""

import math

import torch
import torch.nn.functional as F


def focal_loss(logits, target, *, clamp, alpha=2.0, beta=4.0, ignore=None):
    """Equation 1 on whole maps, summed in float64; autograd does the rest."""
    probability = logits.sigmoid()
    log_p, log_q = F.logsigmoid(logits), F.logsigmoid(-logits)
    if clamp is not None:
        probability = probability.clamp(clamp, 1 - clamp)
        log_p, log_q = probability.log(), (1 - probability).log()
    peak = target == 1
    positive = (1 - probability).pow(alpha) * log_p * peak
    negative = probability.pow(alpha) * log_q * (1 - target).pow(beta)
    if ignore is not None:
        negative = negative * (1 - ignore)
    total = positive.sum(dtype=torch.float64) + negative.sum(dtype=torch.float64)
    return -total / peak.sum().clamp(min=1)


def heatmap(cells, radii, planes, num_planes, size):
    """Gaussians drawn cell by cell. (P, H, W), float64"""
    height, width = size
    result = torch.zeros(num_planes, height, width, dtype=torch.float64)
    rows = zip(cells.tolist(), radii.tolist(), planes.tolist(), strict=True)
    for (x, y), r, plane in rows:
        sigma = (2 * r + 1) / 6
        for v in range(height):
            for u in range(width):
                if abs(u - x) <= r and abs(v - y) <= r:
                    value = math.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * sigma**2))
                    result[plane, v, u] = max(result[plane, v, u], value)
    return result


def peaks(image, kernel):
    """Values of all peaks of (C, H, W) as {(class, y, x): value}."""
    found, reach = {}, kernel // 2
    classes, height, width = image.shape
    for c in range(classes):
        for y in range(height):
            for x in range(width):
                rows = slice(max(y - reach, 0), y + reach + 1)
                near = image[c, rows, max(x - reach, 0) : x + reach + 1]
                if image[c, y, x] == near.max():
                    found[c, y, x] = image[c, y, x].item()
    return found


def draw_objects(seed, count, shape, max_radius=8):
    """Random arguments of ``build_heatmap_target`` for a map of shape (B, C, H, W)."""
    generator = torch.Generator().manual_seed(seed)
    images, classes, height, width = shape

    def random(limit):
        return torch.randint(limit, (count,), generator=generator)

    planes, x, y, radii = (random(n) for n in (images * classes, width, height, max_radius + 1))
    on_map = torch.rand(count, generator=generator) > 0.2
    radii = torch.where(on_map, radii, -1).float()
    return dict(planes=planes, cells=torch.stack([x, y], dim=1), radii=radii)
