"""Detections of an image do not depend on the others in its batch."""

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample

from centernet_plugin.models.detectors.batches import equal_sizes

from .test_centernet_tta import make_model, photo


def test_batch_is_split_by_size_in_order():
    sizes = [(32, 64), (64, 64), (32, 64), (32, 32)]
    inputs = torch.arange(4.0)[:, None, None, None].expand(4, 3, 64, 64)
    samples = [
        DetDataSample(metainfo=dict(pad_shape=size, img_id=i)) for i, size in enumerate(sizes)
    ]
    parts = [
        (tuple(x.shape), x[:, 0, 0, 0].tolist(), [s.img_id for s in part])
        for x, part in equal_sizes(inputs, samples)
    ]
    assert parts == [
        ((2, 3, 32, 64), [0, 2], [0, 2]),
        ((1, 3, 64, 64), [1], [1]),
        ((1, 3, 32, 32), [3], [3]),
    ]


def test_samples_without_pad_shape_are_one_batch():
    inputs = torch.zeros(2, 3, 64, 64)
    ((whole, samples),) = equal_sizes(inputs, [DetDataSample(), DetDataSample()])
    assert whole.shape == inputs.shape and len(samples) == 2


@pytest.mark.parametrize('rescale', [True, False])
def test_batches_give_what_single_images_give(rescale):
    model = make_model()

    def predict(images):
        data = dict(
            inputs=[torch.from_numpy(i).permute(2, 0, 1) for i in images],
            data_samples=[
                DetDataSample(
                    metainfo=dict(
                        img_shape=i.shape[:2],
                        ori_shape=tuple(2 * side for side in i.shape[:2]),
                        scale_factor=(0.5, 0.5),
                    )
                )
                for i in images
            ],
        )
        data = model.data_preprocessor(data, False)
        return model.predict(data['inputs'], data['data_samples'], rescale=rescale)

    # Detections reach over the whole image, the original one if rescaled.
    reach = predict([photo()])[0].pred_instances.bboxes.max()
    assert (reach > 130) == rescale
    images = [photo(), photo(130, 64, seed=1), photo(seed=2), photo(70, 40, seed=3)]
    for image, sample in zip(images, predict(images), strict=True):
        (alone,) = predict([image])
        for key in ('bboxes', 'scores', 'labels'):
            together = sample.pred_instances[key]
            np.testing.assert_allclose(together, alone.pred_instances[key], atol=1e-4)
