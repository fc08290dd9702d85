"""``torch.compile``, where there is something to compile with."""

from functools import cache

import torch
from torch import nn

from ..models.dense_heads import CenterNetHead


@cache
def can_compile(kind: str) -> bool:
    """Whether ``torch.compile`` works for devices of this kind.

    It needs a C++ compiler or triton, and says so only when the compiled function is called.
    """
    try:
        torch.compile(torch.square)(torch.ones(1, device=kind))
    except Exception:  # whatever the missing tool ends in
        return False
    return True


def compile_loss(head: CenterNetHead, device: torch.device) -> CenterNetHead | None:
    """The head with its heat-map loss compiled; None where that is not possible."""
    if not can_compile(device.type):
        return None
    head.loss_heatmap = torch.compile(head.loss_heatmap)
    return head


def compile_network(model: nn.Module) -> nn.Module:
    """The detector with backbone, neck and output layers compiled, its losses as they are."""
    for part in (model.backbone, model.neck, model.bbox_head.heads):
        part.compile()
    return model
