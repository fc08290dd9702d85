"""The visualizer that configs use: mmdet's pictures, and more where there is more to draw."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.apis import DetInferencer
from mmdet.engine.hooks import DetVisualizationHook
from mmdet.registry import VISUALIZERS
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer
from mmengine.config import Config
from mmengine.structures import InstanceData

from centernet_plugin.visualization.skeletons import LEFT, RIGHT
from centernet_plugin.visualization.visualizer import CenterNetVisualizer

CONFIG = Path(__file__).parents[2] / 'configs/_base_/default_runtime.py'
DETECTOR = 'centernet/centernet_r18_8xb16-warp512-140e_coco.py'
META = dict(
    classes=('person',),
    palette=[(220, 20, 60)],
    skeleton=((0, 1), (0, 2)),
    flip_pairs=((1, 2),),
)
POINTS = torch.tensor([[[100.0, 60.0], [140, 120], [60, 120]], [[float('nan')] * 2] * 3])


@pytest.fixture
def image():
    return np.full((160, 200, 3), 128, np.uint8)


def sample(**fields):
    pred = InstanceData(
        bboxes=torch.tensor([[30.0, 30, 170, 150], [5, 5, 25, 25]]),
        labels=torch.zeros(2, dtype=torch.int64),
        scores=torch.tensor([0.9, 0.8]),
        **fields,
    )
    return DetDataSample(pred_instances=pred, metainfo=dict(img_path='none.png'))


def draw(image, data_sample, cls=CenterNetVisualizer, meta=META, draw_gt=False, **kwargs):
    visualizer = cls()
    visualizer.dataset_meta = meta
    visualizer.add_datasample('name', image, data_sample, draw_gt, **kwargs)
    return visualizer.get_image()


@pytest.mark.parametrize('what', ['both', 'prediction', 'nothing'])
def test_plain_detections_look_as_mmdet_draws_them(image, what):
    data_sample = sample()
    if what == 'both':
        data_sample.gt_instances = data_sample.pred_instances[:1]
    data_sample = None if what == 'nothing' else data_sample
    ours, mmdet_s = (
        draw(image, data_sample, c, draw_gt=what == 'both')
        for c in (CenterNetVisualizer, DetLocalVisualizer)
    )
    assert (ours == mmdet_s).all()
    assert (ours != 128).any() or what == 'nothing'


def test_skeletons_of_predictions_and_truth(image):
    data_sample = sample(keypoints=POINTS)
    data_sample.gt_instances = InstanceData(
        bboxes=data_sample.pred_instances.bboxes[:1],
        labels=torch.zeros(1, dtype=torch.int64),
        keypoints=POINTS[:1],
    )
    both = draw(image, data_sample, draw_gt=True)
    assert both.shape == (160, 400, 3)
    for start in (0, 200):
        # RGB, so that blue is last
        assert abs(both[120, start + 140][::-1] - np.array(LEFT)).max() < 30
        assert abs(both[90, start + 80][::-1] - np.array(RIGHT)).max() < 30


def test_weak_detections_and_joints_are_left_out(image):
    data_sample = sample(keypoints=POINTS, keypoint_scores=torch.tensor([[1, 0.2, 1], [1, 1, 1]]))
    plain = draw(image, sample())
    assert (draw(image, data_sample, pred_score_thr=0.95) == image).all()
    shown = draw(image, data_sample)
    assert (shown[120, 140] != plain[120, 140]).any()
    strict = CenterNetVisualizer(kpt_thr=0.3)
    strict.dataset_meta = META
    strict.add_datasample('name', image, data_sample, draw_gt=False)
    assert (strict.get_image()[115:125, 135:145] == plain[115:125, 135:145]).all()
    assert (strict.get_image()[120, 60] != plain[120, 60]).any()


def test_joints_without_metainfo(image):
    out = draw(image, sample(keypoints=POINTS), meta=dict(classes=('person',)))
    assert (out[60, 100] != 128).any()


def test_boxes_in_space_need_a_camera(image):
    pytest.importorskip('centernet_plugin.visualization.boxes3d')
    fields = dict(
        locations=torch.tensor([[0.0, 0, 10], [1, 0, 12]]),
        dimensions=torch.tensor([[2.0, 2, 4], [1.5, 1, 1]]),
        rotations_y=torch.tensor([0.3, -1]),
    )
    plain = draw(image, sample())
    data_sample = sample(**fields)
    assert (draw(image, data_sample) == plain).all()
    data_sample.set_metainfo(
        dict(cam2img=np.array([[200.0, 0, 100, 0], [0, 200, 80, 0], [0, 0, 1, 0]]))
    )
    drawn = draw(image, data_sample)
    changed = (drawn != plain).any(2)
    assert changed.any()
    assert changed[50:110, 40:160].sum() > 0.9 * changed.sum(), 'around where they are seen'
    data_sample = sample()
    data_sample.pred_instances = data_sample.pred_instances[:0]
    assert (draw(image, data_sample) == image).all()


def test_hook_writes_pictures_with_skeletons(image, tmp_path):
    """As ``tools/test.py --show-dir`` does, with what the config names."""
    config = Config.fromfile(CONFIG).visualizer
    config.update(name='visualizer of a test', save_dir=str(tmp_path / 'vis'))
    visualizer = VISUALIZERS.build(config)
    assert type(visualizer) is CenterNetVisualizer
    visualizer.dataset_meta = META
    cv2.imwrite(str(tmp_path / 'a.png'), image)
    data_sample = sample(keypoints=POINTS)
    data_sample.set_metainfo(dict(img_path=str(tmp_path / 'a.png')))

    hook = DetVisualizationHook(draw=True, test_out_dir='show')
    hook._visualizer = visualizer
    runner = type('Runner', (), dict(work_dir=str(tmp_path), timestamp='now'))
    hook.after_test_iter(runner, 0, {}, [data_sample])
    written = cv2.imread(str(tmp_path / 'now/show/a.png'))
    # The truth is on the left, of which there is none.
    assert written.shape == (160, 400, 3)
    assert abs(written[120, 200 + 140] - np.array(LEFT)).max() < 30


def test_inferencer_draws_skeletons(image, monkeypatch):
    """mmdet's DetInferencer builds the visualizer of the config."""
    config = Config.fromfile(CONFIG.parents[1] / DETECTOR)
    config.model.backbone.init_cfg = None
    inferencer = DetInferencer(config, device='cpu')
    assert type(inferencer.visualizer) is CenterNetVisualizer
    inferencer.visualizer.dataset_meta = META
    found = sample(keypoints=POINTS)
    monkeypatch.setattr(inferencer.model, 'test_step', lambda data: [found])
    drawn = inferencer(image[..., ::-1], return_vis=True)['visualization'][0]
    assert drawn.shape == image.shape
    assert abs(drawn[120, 140][::-1] - np.array(LEFT)).max() < 30


def test_boxes_over_the_border_do_not_shrink_the_picture():
    """What is drawn beside them would lie elsewhere."""
    visualizer = CenterNetVisualizer()
    visualizer.dataset_meta = dict(classes=('person',), palette=[(0, 0, 0)])
    sample = DetDataSample()
    sample.pred_instances = InstanceData(
        bboxes=torch.tensor([[-40.0, -30, 30, 40], [60, 50, 300, 200]]),
        scores=torch.ones(2),
        labels=torch.zeros(2, dtype=torch.int64),
    )
    image = np.full((100, 120, 3), 200, np.uint8)
    image[:, 100:] = 90
    visualizer.add_datasample('', image, sample, draw_gt=False)
    drawn = visualizer.get_image()
    assert drawn.shape == image.shape
    assert (drawn[90, 70:99] == 200).all() and (drawn[90, 101:115] == 90).all()
    assert sample.pred_instances.bboxes[0, 0] == -40


@pytest.mark.parametrize('kind', [dict(dtype=torch.bfloat16), dict(requires_grad=True)])
def test_tensors_of_any_kind(image, kind):
    numbers = dict(
        keypoints=[[[100, 60], [140, 120], [60, 120]]] * 2,
        keypoint_scores=[[1, 1, 1]] * 2,
        locations=[[0, 0, 9]] * 2,
        dimensions=[[1, 1, 2]] * 2,
        rotations_y=[1, 2],
    )
    pictures = []
    for settings in (kind, dict(dtype=torch.float64)):
        fields = {
            k: torch.tensor(v, **(dict(dtype=torch.float32) | settings)) for k, v in numbers.items()
        }
        one = sample(**fields)
        one.set_metainfo(dict(cam2img=[[90, 0, 100, 0], [0, 90, 80, 0], [0, 0, 1, 0]]))
        pictures.append(draw(image, one))
    np.testing.assert_array_equal(*pictures)
    assert (pictures[0] != draw(image, sample())).any()
