"""Normalisation of a batch, with the colours that training left for it."""

from collections.abc import Sequence

import numpy as np
import torch
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmengine.model import ImgDataPreprocessor
from torch import Tensor

from ...registry import MODELS


class _NormaliseBatch(ImgDataPreprocessor):
    """mmengine's ``forward`` for a whole batch at once; its own loops over the images.

    It stands between mmdet's class and mmengine's in the order of inheritance, so that mmdet's
    calls this one and does the rest itself: padded shapes, masks, batch augmentations.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        data = self.cast_data(data)
        data.setdefault('data_samples', None)
        matrices = take_color_matrices(data['data_samples'] or ())
        images = data['inputs']
        batch = stack_images(images, self.pad_size_divisor)  # (B, C, H, W)
        mean, std = (self.mean, self.std) if self._enable_normalize else (None, None)
        if mean is not None and len(mean) == 3 and batch.shape[1] != 3:
            raise ValueError(f'mean has 3 values, images have {batch.shape[1]} channels')
        if matrices is None:
            # Not by index, which waits for the device.
            batch = batch.flip(1) if self._channel_conversion else batch
            batch = normalise(batch, mean, std)
        else:
            matrix = torch.from_numpy(matrices).to(batch.device, non_blocking=True)  # (B, 3, 4)
            matrix = matrix.flip(1) if self._channel_conversion else matrix
            if mean is not None:
                matrix[..., 3] -= mean.flatten()
                matrix /= std.view(-1, 1)
            batch = transform_colors(batch, matrix)
        for image, (height, width) in zip(batch, map(_size, images), strict=True):
            image[:, height:] = self.pad_value
            image[:, :height, width:] = self.pad_value
        data['inputs'] = batch
        return data


@MODELS.register_module()
class DataPreprocessor(DetDataPreprocessor, _NormaliseBatch):
    """mmdet's DetDataPreprocessor that applies what ``PaperColorJitter(on_device=True)`` noted.

    It exists because colours and normalisation are one affine step on the device, and images can
    stay uint8 until there. The matrix, in samples' meta key ``color_matrix``, is of BGR pixels as
    loaded. Without one, results are mmdet's to the last bit, in less time.

    Args and calls are those of ``mmdet.DetDataPreprocessor``.
    """


def take_color_matrices(samples: Sequence) -> np.ndarray | None:
    """Remove the colour matrices from the samples. (B, 3, 4), float32, or None without any

    Samples without one get the identity.
    """
    matrices = [
        sample.pop('color_matrix') if 'color_matrix' in sample.metainfo_keys() else None
        for sample in samples
    ]
    if all(matrix is None for matrix in matrices):
        return None
    same = np.eye(3, 4, dtype=np.float32)
    return np.stack([same if matrix is None else matrix for matrix in matrices])


def stack_images(images: Tensor | Sequence[Tensor], divisor: int) -> Tensor:
    """Pad images at the right and bottom by 0 to multiples of a number and to one size.

    Args:
        images: (C, H, W) each, of any dtype, or one tensor (B, C, H, W).
        divisor: of the sides of the batch.

    Returns:
        Batch of the common dtype; the images themselves where nothing has to be done.
        (B, C, H', W')
    """
    heights, widths = zip(*map(_size, images), strict=True)
    size = [-(-max(sides) // divisor) * divisor for sides in (heights, widths)]
    if all(_size(image) == tuple(size) for image in images) and len(_dtypes(images)) == 1:
        return images if isinstance(images, Tensor) else torch.stack(list(images))
    dtype = _dtypes(images).pop() if len(_dtypes(images)) == 1 else torch.float32
    batch = images[0].new_zeros(len(images), images[0].shape[0], *size, dtype=dtype)
    for i, image in enumerate(images):
        batch[i, :, : heights[i], : widths[i]] = image
    return batch


def normalise(batch: Tensor, mean: Tensor | None, std: Tensor | None) -> Tensor:
    """``(batch - mean) / std`` in float32, rounded as mmengine's. (B, C, H, W)"""
    if mean is None:
        return batch.clone() if batch.dtype == torch.float32 else batch.float()
    result = torch.empty_like(batch, dtype=torch.promote_types(torch.float32, mean.dtype))
    for part, source in zip(*map(_parts, (result, batch)), strict=True):
        torch.sub(source.float(), mean, out=part).div_(std)
    return result


def transform_colors(batch: Tensor, matrix: Tensor) -> Tensor:
    """Map every pixel by the matrix of its image, in float32.

    Not a matrix product, which TF32 and autocast would round.

    Args:
        batch: (B, 3, H, W).
        matrix: (B, 3, 4).

    Returns:
        Batch. (B, 3, H, W), float32
    """
    result = torch.empty_like(batch, dtype=torch.float32)
    columns = matrix[..., None, None]  # (B, 3, 4, 1, 1)
    for part, source, column in zip(*map(_parts, (result, batch, columns)), strict=True):
        source = source.float()
        torch.addcmul(column[:, :, 3], source[:, :1], column[:, :, 0], out=part)
        part.addcmul_(source[:, 1:2], column[:, :, 1])
        part.addcmul_(source[:, 2:3], column[:, :, 2])
    return result


def _parts(batch: Tensor) -> tuple[Tensor, ...]:
    """On the CPU image by image, which its cache holds (twice as fast); else all at once."""
    return batch.split(1) if batch.device.type == 'cpu' else (batch,)


def _size(image: Tensor) -> tuple[int, int]:
    return tuple(image.shape[-2:])


def _dtypes(images: Sequence[Tensor]) -> set[torch.dtype]:
    return {image.dtype for image in images}
