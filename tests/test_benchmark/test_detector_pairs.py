import sys
import types

import cv2
import numpy as np
import pytest
import torch
from mmcv.ops import modulated_deform_conv
from mmdet.apis import inference_detector

from centernet_plugin.benchmark import detectors
from centernet_plugin.benchmark.detectors import build_pair
from centernet_plugin.errors import UserInputError
from centernet_plugin.models.layers.deform_conv import modulated_deform_conv2d


@pytest.mark.parametrize('name', ['r18', 'r18-dcnv2'])
def test_both_detect_the_same(name, tmp_path, monkeypatch):
    monkeypatch.setattr(modulated_deform_conv, 'modulated_deform_conv2d', modulated_deform_conv2d)
    monkeypatch.setattr(detectors, 'has_compiled_operator', lambda: True)
    generator = torch.get_rng_state()
    ours, theirs = build_pair(name)
    assert torch.equal(torch.get_rng_state(), generator)
    assert not ours.training and not theirs.training
    assert type(ours).__module__.startswith('centernet_plugin')
    assert type(theirs).__module__.startswith('mmdet')
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 256, (8, 12, 3), dtype=np.uint8), (90, 61))
    cv2.imwrite(str(tmp_path / 'image.png'), image)
    results = [
        inference_detector(model, str(tmp_path / 'image.png')).pred_instances
        for model in (ours, theirs)
    ]
    scores = results[0].scores
    assert len(scores) == 100 and 0.01 < scores[-1] < scores[0] < 0.999 and scores.std() > 0.005
    assert len(results[0].labels.unique()) > 1
    sides = results[0].bboxes[:, 2:] - results[0].bboxes[:, :2]
    assert 8 < sides.median() < 90
    assert torch.equal(results[0].labels, results[1].labels)
    torch.testing.assert_close(results[0].scores, results[1].scores, rtol=0, atol=1e-5)
    torch.testing.assert_close(results[0].bboxes, results[1].bboxes, rtol=0, atol=1e-3)


def test_what_cannot_be_built_is_said(monkeypatch):
    with pytest.raises(UserInputError, match="unknown network 'r50'"):
        build_pair('r50')
    monkeypatch.setattr(detectors, 'has_compiled_operator', lambda: False)
    with pytest.raises(UserInputError, match="needs mmcv's compiled operators"):
        build_pair('r18-dcnv2')


def test_a_placeholder_is_no_operator(monkeypatch):
    def operator(*args):
        raise RuntimeError

    for function, expected in ((operator, False), (len, True), (None, False)):
        module = types.SimpleNamespace(modulated_deform_conv_forward=function)
        monkeypatch.setitem(sys.modules, 'mmcv._ext', module)
        assert detectors.has_compiled_operator() is expected
