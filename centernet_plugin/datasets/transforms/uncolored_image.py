"""Pixels whose colours are still to be changed, where the batch is normalised."""

import numpy as np

from ...errors import UserInputError


class UncoloredImage:
    """What ``PaperColorJitter(on_device=True)`` leaves in ``results['img']``.

    No array, so that no transform takes it for a finished image and drops the colours without a
    word: anything that needs an array of it fails.

    Attributes:
        planes: channels in BGR order, as they were loaded. (3, H, W)
        matrix: colour matrix, ``color = matrix[:, :3] @ pixel + matrix[:, 3]``. (3, 4), float32
    """

    def __init__(self, planes: np.ndarray, matrix: np.ndarray) -> None:
        self.planes, self.matrix = planes, matrix

    def __array__(self, *args, **kwargs) -> np.ndarray:
        self._refuse()

    def __getattr__(self, name: str):
        if name.startswith('__'):  # copying and pickling look for some
            raise AttributeError(name)
        self._refuse()

    def __getitem__(self, index):
        self._refuse()

    @staticmethod
    def _refuse() -> None:
        raise UserInputError(
            'PaperColorJitter(on_device=True) has to be the last step before '
            "dict(type='centernet_plugin.PackDetInputs'); set on_device=False for any other"
        )
