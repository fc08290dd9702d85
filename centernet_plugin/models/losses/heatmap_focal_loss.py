"""Penalty-reduced focal loss of the centre heat-map, on logits (paper, equation 1)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...registry import MODELS


def heatmap_focal_loss(
    logits: Tensor,
    target: Tensor,
    *,
    alpha: float = 2.0,
    beta: float = 4.0,
    clamp: float | None = 1e-4,
    ignore: Tensor | None = None,
) -> Tensor:
    """Sum over peak and background cells, divided by the number of peak cells.

    Args:
        logits: raw heat-map. (B, C, H, W)
        target: gaussians in [0, 1]; exactly 1 marks a peak cell. (B, C, H, W)
        alpha: focusing exponent. beta: exponent of the penalty reduction around peaks.
        clamp: limits the probability to [clamp, 1 - clamp], with zero gradient beyond, as the
            published models were trained. None works on the logits alone: no dead gradient.
        ignore: 1 at background cells that do not count. (B, C, H, W)

    Returns:
        Scalar, float32 (float64 for float64 logits). Without any peak the background sum is not
        divided.
    """
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()  # squares and logs of half precision overflow
    target = target.to(logits.dtype)
    if clamp is None:
        probability = logits.sigmoid()
        log_p, log_not_p = F.logsigmoid(logits), F.logsigmoid(-logits)
    else:
        probability = logits.sigmoid().clamp(clamp, 1 - clamp)
        log_p, log_not_p = probability.log(), (1 - probability).log()
    peak = target == 1
    positive = (1 - probability).pow(alpha) * log_p * peak
    negative = probability.pow(alpha) * log_not_p * (1 - target).pow(beta)  # 0 at peaks
    if ignore is not None:
        negative = negative * (1 - ignore)
    return -(positive.sum() + negative.sum()) / peak.sum().clamp(min=1)


@MODELS.register_module()
class HeatmapFocalLoss(nn.Module):
    """:func:`heatmap_focal_loss` with a weight.

    mmdet's GaussianFocalLoss takes probabilities and has no clamp: NaN in half precision, and not
    the loss that the published models were trained with.
    """

    def __init__(
        self,
        *,
        alpha: float = 2.0,
        beta: float = 4.0,
        clamp: float | None = 1e-4,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.alpha, self.beta, self.clamp = alpha, beta, clamp
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, target: Tensor, ignore: Tensor | None = None) -> Tensor:
        """See :func:`heatmap_focal_loss`."""
        loss = heatmap_focal_loss(
            logits,
            target,
            alpha=self.alpha,
            beta=self.beta,
            clamp=self.clamp,
            ignore=ignore,
        )
        return self.loss_weight * loss
