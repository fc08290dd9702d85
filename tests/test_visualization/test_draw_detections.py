"""Detections drawn with OpenCV: what there is, where it is, in the colours of the data set."""

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from centernet_plugin.visualization.detections import draw_detections
from centernet_plugin.visualization.draw import class_color

META = dict(
    classes=('person', 'car'),
    palette=[(220, 20, 60), (0, 90, 250)],
    skeleton=((0, 1), (0, 2)),
    flip_pairs=((1, 2),),
)


@pytest.fixture
def image():
    return np.full((160, 200, 3), 128, np.uint8)


def sample(**fields):
    pred = InstanceData(
        bboxes=torch.tensor([[30.0, 60, 90, 150], [110, 60, 170, 150]]),
        labels=torch.tensor([0, 1]),
        scores=torch.tensor([0.9, 0.4]),
        **fields,
    )
    return DetDataSample(pred_instances=pred)


def test_boxes_in_the_colours_of_the_data_set(image):
    drawn = draw_detections(image, sample(), META)
    assert (image == 128).all() and drawn.shape == image.shape
    assert drawn[110, 30].tolist() == [60, 20, 220] and drawn[110, 110].tolist() == [250, 90, 0]
    drawn = draw_detections(image, sample(), dict(META, palette='random'))
    assert drawn[110, 110].tolist() == list(class_color(1))


def test_only_what_has_the_score(image):
    drawn = draw_detections(image, sample(), META, score_thr=0.5)
    assert (drawn[:, 20:95] != 128).any() and (drawn[:, 105:] == 128).all()
    assert (draw_detections(image, sample(), META, score_thr=0.95) == image).all()
    empty = DetDataSample(pred_instances=sample().pred_instances[:0])
    assert (draw_detections(image, empty, META) == image).all()


def test_skeletons(image):
    points = torch.tensor([[[60.0, 80.0], [80, 130], [45, 130]], [[float('nan')] * 2] * 3])
    scores = torch.tensor([[1.0, 1, 0.2], [1, 1, 1]])
    plain = draw_detections(image, sample(), META)
    found = sample(keypoints=points, keypoint_scores=scores)
    all_, few = (draw_detections(image, found, META, kpt_thr=t) for t in (0.1, 0.5))
    assert (all_[130, 45] != plain[130, 45]).any() and (few[130, 45] == plain[130, 45]).all()
    assert (few[130, 80] != plain[130, 80]).any()
    assert (few[:, 105:] == plain[:, 105:]).all(), 'joints that are nowhere'


def test_boxes_in_space_need_the_camera(image):
    found = sample(
        locations=torch.tensor([[0.0, 0, 20], [0, 0, 20]]),
        dimensions=torch.full((2, 3), 4.0),
        rotations_y=torch.zeros(2),
    )
    plain = draw_detections(image, sample(), META)
    assert (draw_detections(image, found, META) == plain).all()
    found.set_metainfo(dict(cam2img=[[100.0, 0, 100, 0], [0, 100, 40, 0], [0, 0, 1, 0]]))
    drawn = draw_detections(image, found, META)
    assert (drawn[20:55, 85:115] != plain[20:55, 85:115]).any()
