"""Pixels whose colours are still to be changed, where the batch is normalised."""

import numpy as np

from .pending_image import PendingImage


class UncoloredImage(PendingImage):
    """What ``PaperColorJitter(on_device=True)`` leaves in ``results['img']``.

    Attributes:
        planes: channels in BGR order, as they were loaded. (3, H, W)
        matrix: colour matrix, ``color = matrix[:, :3] @ pixel + matrix[:, 3]``. (3, 4), float32
    """

    remedy = (
        'PaperColorJitter(on_device=True) has to be the last step before '
        "dict(type='centernet_plugin.PackDetInputs'); set on_device=False for any other"
    )

    def __init__(self, planes: np.ndarray, matrix: np.ndarray) -> None:
        self.planes, self.matrix = planes, matrix
