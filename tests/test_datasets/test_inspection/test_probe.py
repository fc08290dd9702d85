import numpy as np
import pytest
from mmcv.transforms import TRANSFORMS, BaseTransform
from mmengine.config import ConfigDict
from tiny_set import LOAD, PACK

from centernet_plugin.datasets.inspection.probe import (
    pipeline_findings,
    place_boxes,
    probe_pipeline,
)

SIZES = np.array([[100, 60], [64, 64], [0, 0], [100, 60]])


def probe(*steps, **kwargs):
    pipeline = [ConfigDict(step) for step in (*LOAD, *steps, PACK)]
    placement = probe_pipeline(pipeline, SIZES, **kwargs)
    return pipeline, placement


def test_scale_and_padding():
    steps = []
    pipeline, placement = probe(
        dict(type='mmdet.Resize', scale=(200, 200), keep_ratio=True),
        dict(type='centernet_plugin.KeepResPad', pad=31),
        advance=steps.append,
    )
    assert sorted(steps) == [1, 1, 2]
    assert placement.known.tolist() == [True, True, False, True]
    assert placement.size.tolist() == [[224, 128], [224, 224], [0, 0], [224, 128]]
    assert placement.scale[:2].tolist() == [[2, 2], [3.125, 3.125]]
    assert placement.shift[:2].tolist() == [[12, 4], [12, 12]]
    boxes = place_boxes(np.array([[10, 20, 30, 40.0]] * 2), np.array([0, 1]), placement)
    assert boxes.tolist() == [[32, 44, 72, 84], [43.25, 74.5, 105.75, 137]]
    assert pipeline_findings(pipeline, placement) == []


def test_the_preprocessor_pads():
    _, placement = probe(divisor=32)
    assert placement.size.tolist() == [[128, 64], [64, 64], [0, 0], [128, 64]]
    assert (placement.shift == 0).all() and (placement.scale[placement.known] == 1).all()


def test_mmdet_keep_resolution():
    crop = dict(
        type='mmdet.RandomCenterCropPad',
        ratios=None,
        border=None,
        mean=[0, 0, 0],
        std=[1, 1, 1],
        to_rgb=True,
        test_mode=True,
        test_pad_mode=['logical_or', 31],
        test_pad_add_pix=1,
    )
    load = dict(LOAD[0], to_float32=True)
    placement = probe_pipeline([ConfigDict(load), ConfigDict(crop), ConfigDict(PACK)], SIZES)
    assert placement.size[0].tolist() == [128, 64]
    assert placement.shift[0].tolist() == [14, 2]


@TRANSFORMS.register_module()
class RejectSquares(BaseTransform):
    def transform(self, results):
        return None if results['height'] == results['width'] else results


def test_a_pipeline_that_rejects_an_image():
    with pytest.raises(ValueError, match='rejects a blank image of 64 x 64'):
        probe(dict(type='RejectSquares'))
