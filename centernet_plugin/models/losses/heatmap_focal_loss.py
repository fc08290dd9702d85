"""Penalty-reduced focal loss of the centre heat-map, on logits (paper, equation 1)."""

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ...registry import MODELS
from ..functional.device import immediate
from ..functional.focal import focal_loss_and_gradient
from ..functional.heatmap import HeatmapTarget


def heatmap_focal_loss(
    logits: Tensor,
    target: HeatmapTarget,
    *,
    alpha: float = 2.0,
    beta: float = 4.0,
    clamp: float | None = 1e-4,
    compile: bool = False,
    avg_factor: Tensor | None = None,
) -> Tensor:
    """Sum over peak and background cells, divided by the number of peak cells.

    The gradient is computed in the forward pass; it cannot be differentiated again.

    Args:
        logits: raw heat-map. (B, C, H, W)
        target: gaussians and peaks; :meth:`HeatmapTarget.from_dense` makes one of a dense map.
        alpha: focusing exponent. beta: exponent of the penalty reduction around peaks.
        clamp: limits the probability to [clamp, 1 - clamp], with zero gradient beyond, as the
            published models were trained. None works on the logits alone: no dead gradient.
        compile: let ``torch.compile`` fuse the pass over all cells; needs a C++ compiler on CPU.
        avg_factor: scalar to divide by in the place of the number of peak cells.

    Returns:
        Scalar, float32 (float64 for float64 logits). Without any peak the background sum is not
        divided.

    Raises:
        ValueError: logits of another shape than the target's.
    """
    if tuple(logits.shape) != tuple(target.shape):
        raise ValueError(f'logits {tuple(logits.shape)} for a target of {tuple(target.shape)}')
    tensors = (target.planes, target.values, target.peaks, target.counts, target.ignore)
    return _FocalLoss.apply(logits, *tensors, alpha, beta, clamp, compile, avg_factor)


class _FocalLoss(torch.autograd.Function):
    """Autograd would keep five maps alive until the backward pass, and go over them again."""

    @staticmethod
    def forward(
        ctx, logits, planes, values, peaks, counts, ignore, alpha, beta, clamp, compile, avg
    ):
        loss, gradient = focal_loss_and_gradient(
            logits,
            HeatmapTarget(tuple(logits.shape), planes, values, peaks, counts, ignore),
            alpha=alpha,
            beta=beta,
            clamp=clamp,
            with_gradient=ctx.needs_input_grad[0],
            compile=compile,
            avg_factor=avg,
        )
        ctx.save_for_backward(gradient)
        ctx.dtype = logits.dtype
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        (gradient,) = ctx.saved_tensors
        # The sum of all losses hands 1 down, and to multiply costs a pass over the map.
        if not (immediate(grad_output) and grad_output == 1):
            gradient = gradient * grad_output
        return gradient.to(ctx.dtype), *[None] * 10


@MODELS.register_module()
class HeatmapFocalLoss(nn.Module):
    """:func:`heatmap_focal_loss` with a weight.

    mmdet's GaussianFocalLoss takes probabilities and has no clamp: NaN in half precision, and not
    the loss that the published models were trained with.

    Args:
        alpha, beta, clamp, compile: see :func:`heatmap_focal_loss`.
        loss_weight: factor of the loss.
    """

    def __init__(
        self,
        *,
        alpha: float = 2.0,
        beta: float = 4.0,
        clamp: float | None = 1e-4,
        loss_weight: float = 1.0,
        compile: bool = False,
    ) -> None:
        super().__init__()
        self.alpha, self.beta, self.clamp = alpha, beta, clamp
        self.loss_weight = loss_weight
        self.fused = compile

    def forward(
        self, logits: Tensor, target: HeatmapTarget, avg_factor: Tensor | None = None
    ) -> Tensor:
        """See :func:`heatmap_focal_loss`."""
        loss = heatmap_focal_loss(
            logits,
            target,
            alpha=self.alpha,
            beta=self.beta,
            clamp=self.clamp,
            compile=self.fused,
            avg_factor=avg_factor,
        )
        return self.loss_weight * loss
