"""What stands in ``results['img']`` while there is no finished image."""

import numpy as np

from ...errors import UserInputError


class PendingImage:
    """No array, so that no transform takes it for the image: what needs an array of it fails.

    Attributes:
        remedy: what the error says.
    """

    remedy: str

    def __array__(self, *args, **kwargs) -> np.ndarray:
        raise UserInputError(self.remedy)

    def __getattr__(self, name: str):
        if name.startswith('__'):  # copying and pickling look for some
            raise AttributeError(name)
        raise UserInputError(self.remedy)

    def __getitem__(self, index):
        raise UserInputError(self.remedy)
