"""The heat-map of an image of a dataset, from models that have one and others."""

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from torch import nn

from centernet_plugin.engine.heatmap import centre_heatmap


class Head(nn.Module):
    stride = 4

    def forward(self, feats):
        """The last of two stacks, with a peak of the second class in the cell (row 2, column 3)."""
        heatmap = torch.full((1, 2, 8, 8), -9.0)
        heatmap[0, 1, 2, 3] = 9
        return dict(heatmap=torch.zeros_like(heatmap)), dict(heatmap=heatmap)


class Model(nn.Module):
    def __init__(self, head):
        super().__init__()
        self.bbox_head = head

    def data_preprocessor(self, data, training):
        assert not training
        return dict(inputs=torch.stack(data['inputs']), data_samples=data['data_samples'])

    def extract_feat(self, inputs):
        return (inputs,)


VIEW = torch.zeros(3, 32, 32)


def dataset(inputs=VIEW):
    meta = dict(img_shape=(32, 32), border=(4, 28, 8, 32))
    return [dict(inputs=inputs, data_samples=DetDataSample(metainfo=meta))]


def test_probability_over_the_image_alone():
    heat = centre_heatmap(Model(Head()), dataset(), 0)
    assert heat.shape == (24, 24)
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    assert y in range(4, 8) and x in range(4, 8), 'less the border'
    assert 0.9 < heat.max() < 1.1 and abs(heat[20, 20]) < 0.01


class Anchors(nn.Module):
    def forward(self, feats):
        return [feats[0]], [feats[0]]


class OtherHeadOfStride(Anchors):
    stride = 8


@pytest.mark.parametrize('head', [Anchors(), OtherHeadOfStride(), None])
def test_other_models_have_none(head):
    assert centre_heatmap(Model(head), dataset(), 0) is None


def test_several_views_have_none():
    views = [VIEW] * 2
    assert centre_heatmap(Model(Head()), dataset(views), 0) is None
