"""Boxes that remember what was done to the image, for all else that has to follow it."""

import numpy as np
import torch
from mmdet.structures.bbox import BaseBoxes, HorizontalBoxes


class FollowedBoxes(HorizontalBoxes):
    """mmdet's boxes (N, 4), which note every warp and choice from when they were made.

    Every transform of mmdet that moves an image moves its boxes by a method of theirs, or by
    writing into their tensor. The methods are noted; what was written past them is noticed. Only
    some transforms note a matrix in the results, and none which instances it dropped.

    Attributes:
        matrix: from the pixels at first to those now; None where that is not known, because
            something else was done to the boxes. (3, 3), float64
        rows: which of the boxes at first each one is. (N,), int64
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        # Methods that give other boxes, such as cat, call the constructor: not followed.
        self._matrix, self.rows, self._seen = None, None, None

    @classmethod
    def begin(cls, boxes: HorizontalBoxes | torch.Tensor | np.ndarray) -> 'FollowedBoxes':
        """A copy of some boxes, followed from here on. boxes: (N, 4)"""
        followed = cls(boxes.tensor if isinstance(boxes, HorizontalBoxes) else boxes)
        followed._note(np.eye(3), torch.arange(len(followed)))
        return followed

    @property
    def matrix(self) -> np.ndarray | None:
        if self._seen is None or not torch.equal(self._seen, self.tensor):
            return None
        return self._matrix

    def _note(self, matrix: np.ndarray | None, rows: torch.Tensor | None) -> 'FollowedBoxes':
        self._matrix, self.rows = matrix, rows
        self._seen = None if matrix is None else self.tensor.clone()
        return self

    def _warp(self, method: str, step: np.ndarray | None, *args, **kwargs) -> None:
        before = self.matrix  # None where somebody wrote into the tensor
        getattr(super(), method)(*args, **kwargs)
        self._note(None if before is None or step is None else step @ before, self.rows)

    def translate_(self, distances) -> None:
        x, y = map(float, distances)
        self._warp('translate_', np.array([[1, 0, x], [0, 1, y], [0, 0, 1]]), distances)

    def rescale_(self, scale_factor) -> None:
        self._warp('rescale_', np.diag([*map(float, scale_factor), 1.0]), scale_factor)

    def flip_(self, img_shape, direction: str = 'horizontal') -> None:
        step, (height, width) = np.eye(3), img_shape[:2]
        if direction in ('horizontal', 'diagonal'):
            step[0] = -1, 0, width
        if direction in ('vertical', 'diagonal'):
            step[1] = 0, -1, height
        self._warp('flip_', step, img_shape, direction)

    def project_(self, homography_matrix) -> None:
        step = np.asarray(homography_matrix, np.float64)
        affine = step.shape == (3, 3) and step[2].tolist() == [0, 0, 1]
        self._warp('project_', step if affine else None, homography_matrix)

    def clip_(self, img_shape) -> None:
        self._warp('clip_', np.eye(3), img_shape)

    def __getitem__(self, index) -> 'FollowedBoxes':
        chosen = super().__getitem__(index)
        if (matrix := self.matrix) is None:
            return chosen
        index = torch.as_tensor(index) if isinstance(index, np.ndarray) else index
        return chosen._note(matrix, self.rows[index].reshape(-1))

    def convert_to(self, dst_type) -> BaseBoxes:
        plain = HorizontalBoxes(self.tensor, clone=False)  # the kind that mmdet's registry knows
        converted = plain.convert_to(dst_type)
        return self if converted is plain else converted

    def clone(self) -> 'FollowedBoxes':
        return super().clone()._note(self.matrix, self.rows)

    def __deepcopy__(self, memo) -> 'FollowedBoxes':
        copy = memo[id(self)] = self.clone()
        return copy
