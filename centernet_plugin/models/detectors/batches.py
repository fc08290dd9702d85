"""Batches of images of different sizes."""

from collections.abc import Iterator

from torch import Tensor


def equal_sizes(inputs: Tensor, samples: list) -> Iterator[tuple[Tensor, list]]:
    """Splits a batch into the inputs of equal size that it was padded from.

    A network sees the padding: near it, and wherever its receptive field reaches it, an image's
    outputs change with the size of the largest in its batch.

    Args:
        inputs: padded on the right and at the bottom. (B, 3, H, W)
        samples: with ``pad_shape``, the size of each padded alone, as mmdet's data preprocessor
            notes it.

    Yields:
        Inputs and samples of one size; one after the other in the order of each size's first.
    """
    sizes: dict[tuple[int, int], list[int]] = {}
    for i, sample in enumerate(samples):
        size = sample.metainfo.get('pad_shape', inputs.shape[-2:])
        sizes.setdefault(tuple(size[:2]), []).append(i)
    for (height, width), index in sizes.items():
        chosen = inputs if len(index) == len(samples) else inputs[index]
        yield chosen[..., :height, :width], [samples[i] for i in index]
