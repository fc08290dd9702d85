"""Loading of whatever the annotations say of an object."""

import numpy as np
from mmdet.datasets.transforms import LoadAnnotations as MMDetLoadAnnotations

from ...registry import TRANSFORMS
from .fields import attach_fields


@TRANSFORMS.register_module()
class LoadAnnotations(MMDetLoadAnnotations):
    """mmdet's, and the further fields that the dataset names.

    mmdet's knows boxes, labels and masks. A dataset with ``fields``, such as
    ``centernet_plugin.CocoDataset(fields=('distance',))``, has for each a value in the instances
    that know it.

    Added key: ``gt_fields``, by name an array of one row per instance, float32, NaN where an
    instance does not know the value. Absent where the dataset names no field. Values are those of
    the annotation file, as the boxes are, whatever was done to the image before.
    """

    def transform(self, results: dict) -> dict:
        results = super().transform(results)
        shapes = results.get('fields')
        if shapes and self.with_bbox:
            instances = results['instances']
            # What was done to the image before moves none of them, nor the boxes.
            attach_fields(
                results,
                {
                    name: _stack([instance.get(name) for instance in instances], shape)
                    for name, shape in shapes.items()
                },
            )
        return results


def _stack(values: list, shape: tuple[int, ...]) -> np.ndarray:
    """(N, *shape), float32"""
    result = np.full((len(values), *shape), np.nan, np.float32)
    for row, value in enumerate(values):
        if value is not None:
            result[row] = value
    return result
