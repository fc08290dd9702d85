"""Pose from the scripts and from Python, with a narrow network on a tiny set of stick figures."""

import json
import pickle
import re
import sys
from pathlib import Path

import cv2
import mmcv
import numpy as np
import pytest
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer
from mmengine.structures import InstanceData

from centernet_plugin.visualization.visualizer import CenterNetVisualizer

from .conftest import ROOT, output, run_process
from .test_tools import sentence

sys.path.insert(0, str(Path(__file__).parents[1]))
from tiny_pose import joint_names, write_tiny_pose  # noqa: E402

pytestmark = pytest.mark.door
TRAIN, TEST = ROOT / 'tools' / 'train.py', ROOT / 'tools' / 'test.py'
JOINTS, PAIRS = 5, [(1, 2), (3, 4)]
NARROW = """
narrow = dict(
    backbone=dict(
        _delete_=True,
        type='mmdet.ResNet',
        depth=18,
        base_channels=8,
        stem_channels=8,
        norm_eval=False,
    ),
    neck=dict(
        _delete_=True,
        type='centernet_plugin.CenterNetDeconvNeck',
        in_channels=64,
        deconv_channels=(16, 16, 16),
    ),
)
narrow_head = dict(in_channels=16, feat_channels=16, init_rule='res')
default_hooks = dict(
    logger=dict(interval=1),
    visualization=dict(score_thr=0.0),  # after one epoch no score is high
)
loader = dict(num_workers=0, persistent_workers=False)
train_cfg = dict(max_epochs=1, val_interval=1)
"""
CONFIG = """
_base_ = '{base}'
train_pipeline = _base_.train_pipeline
train_pipeline[2].size = (64, 64)
joints = dict(num_joints={joints}, flip_pairs={pairs})
model = dict(
    **narrow,
    bbox_head=dict(
        **narrow_head,
        branches=[
            dict(branch, **joints) if 'num_joints' in branch else branch
            for branch in _base_.pose_branches
        ],
    ),
)
set = dict(data_root={root!r}, ann_file='person_keypoints.json', data_prefix=dict(img='images/'))
train_dataloader = dict(batch_size=2, **loader, dataset=dict(pipeline=train_pipeline, **set))
val_dataloader = dict(**loader, dataset=set)
test_dataloader = val_dataloader
val_evaluator = _base_.val_evaluator
for metric in val_evaluator:
    metric.ann_file = {root!r} + '/person_keypoints.json'
test_evaluator = val_evaluator
visualizer = dict(kpt_thr=0.0)
"""
IN_PYTHON = """
import json, sys
from mmdet.apis import inference_detector, init_detector
config, checkpoint, image = sys.argv[1:]
model = init_detector(config, checkpoint, device='cpu')
found = inference_detector(model, image).pred_instances
shapes = {name: list(value.shape) for name, value in found.items()}
print('RESULT', json.dumps([model.dataset_meta['keypoints'], shapes]))
"""


@pytest.fixture(scope='module')
def figures(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('figures')
    write_tiny_pose(root, images=4, joints=JOINTS, size=64)
    return root


@pytest.fixture(scope='module')
def config(figures, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp('config') / 'pose.py'
    base = ROOT / 'configs/pose/centernet_dla34-dcnv2_8xb16-warp512-140e_coco-keypoints.py'
    text = CONFIG.format(base=base, root=str(figures), joints=JOINTS, pairs=PAIRS)
    first, rest = text.split('\n', 2)[1:]
    path.write_text(f'{first}\n{NARROW}\n{rest}')
    return path


@pytest.fixture(scope='module')
def trained(config, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('trained')
    result = run_process(sys.executable, TRAIN, config, cwd=folder)
    (folder / 'output.txt').write_text(output(result))
    return folder / 'work_dirs' / 'pose'


@pytest.fixture(scope='module')
def checkpoint(trained) -> Path:
    return trained / 'epoch_1.pth'


def predictions(path: Path) -> dict[int, dict]:
    """Samples of ``--out`` by image."""
    return {sample['img_id']: sample for sample in pickle.loads(path.read_bytes())}


def drawn(kind: type, sample: dict, meta: dict, **settings) -> np.ndarray:
    """What ``kind`` makes of a kept sample, RGB."""
    visualizer = kind(**settings)
    visualizer.dataset_meta = meta
    image = mmcv.imread(sample['img_path'], channel_order='rgb')
    data = DetDataSample(metainfo=dict(cam2img=sample.get('cam2img')))
    data.pred_instances = InstanceData(**sample['pred_instances'])
    visualizer.add_datasample('', image, data, draw_gt=False, pred_score_thr=0.0)
    return visualizer.get_image()


def assert_drawn_by_ours(folder: Path, samples: dict, meta: dict, **settings) -> None:
    """The pictures have what mmdet's have not; the predictions are their right half."""
    for sample in samples.values():
        (path,) = folder.glob(f'{Path(sample["img_path"]).stem}*')
        picture = cv2.imread(str(path))[..., ::-1]
        picture = picture[:, picture.shape[1] // 2 :]
        np.testing.assert_array_equal(
            picture, drawn(CenterNetVisualizer, sample, meta, **settings), err_msg=str(path)
        )
        assert (picture != drawn(DetLocalVisualizer, sample, meta)).any()


def test_trains_evaluates_and_resumes(run, config, trained, checkpoint):
    text = (trained.parents[1] / 'output.txt').read_text()
    for name in ('heatmap', 'size', 'offset', 'joints', 'joint_heatmap', 'joint_offset'):
        assert re.search(rf'Epoch\(train\) \[1\]\[2/2\].* loss_{name}: \d', text), name
    assert re.search(r'coco/keypoints_mAP: -?\d.* coco/bbox_mAP: -?\d', text)

    options = ('--cfg-options', 'train_cfg.max_epochs=2', 'train_cfg.val_interval=5')
    result = run(sys.executable, TRAIN, config, '--work-dir', trained, '--resume', *options)
    assert 'resumed epoch: 1' in output(result) and 'Epoch(train) [2][2/2]' in output(result)
    assert 'Epoch(train) [1]' not in output(result)
    assert (trained / 'epoch_2.pth').is_file()


def test_tests_plain_and_augmented(run, config, checkpoint, tmp_path):
    text = output(
        run(sys.executable, TEST, config, checkpoint, '--out', 'plain.pkl', '--show-dir', 'drawn')
    )
    assert re.search(r'coco/keypoints_mAP: -?\d.* coco/bbox_mAP: -?\d', text)
    plain = predictions(tmp_path / 'plain.pkl')
    assert set(plain) == {1, 2, 3, 4}
    found = plain[1]['pred_instances']
    assert found['keypoints'].shape == (100, JOINTS, 2)
    assert found['keypoint_scores'].shape == (100, JOINTS)
    (folder,) = tmp_path.glob('work_dirs/pose/*/drawn')
    meta = dict(
        classes=('person',),
        palette='random',
        skeleton=[(0, i) for i in range(1, JOINTS)],
        flip_pairs=PAIRS,
    )
    assert_drawn_by_ours(folder, plain, meta, kpt_thr=0.0)

    text = output(run(sys.executable, TEST, config, checkpoint, '--tta', '--out', 'tta.pkl'))
    assert re.search(r'coco/keypoints_mAP: -?\d.* coco/bbox_mAP: -?\d', text)
    augmented = predictions(tmp_path / 'tta.pkl')
    assert set(augmented) == set(plain)
    for image, sample in augmented.items():
        found, usual = sample['pred_instances'], plain[image]['pred_instances']
        assert found['keypoints'].shape == usual['keypoints'].shape
        assert found['keypoints'].isfinite().all()
        assert (found['keypoints'] - usual['keypoints']).abs().max() > 0.1


@pytest.mark.usefixtures('written_placeholder')
def test_inference_in_python(run, config, checkpoint, figures):
    image = figures / 'images' / '0.png'
    result = run(sys.executable, '-c', IN_PYTHON, config, checkpoint, image)
    line = next(line for line in result.stdout.splitlines() if line.startswith('RESULT '))
    names, shapes = json.loads(line.removeprefix('RESULT '))
    assert tuple(names) == joint_names(JOINTS)
    assert shapes['keypoints'] == [100, JOINTS, 2]
    assert shapes['keypoint_scores'] == [100, JOINTS]


def test_a_camera_is_of_no_use_for_a_pose(run, config, checkpoint, figures):
    script, images = ROOT / 'tools' / 'infer.py', figures / 'images'
    common = (sys.executable, script, images, config, checkpoint, '--device', 'cpu')
    (images.parent / 'P2.txt').write_text('P2: 9 0 9 0 0 9 9 0 0 0 1 0\n')
    result = run(*common, '--calib', images.parent / 'P2.txt', code=2)
    assert sentence(result).startswith('error: --calib is for boxes in space')


def test_set_without_joints(run, config):
    dataset = 'train_dataloader.dataset'
    options = (
        f'{dataset}.type=centernet_plugin.CocoDataset',
        f'{dataset}.metainfo.classes=[person]',
    )
    result = run(sys.executable, TRAIN, config, '--cfg-options', *options, code=2)
    assert sentence(result).startswith("error: gt_instances have no field 'keypoints', only [")
