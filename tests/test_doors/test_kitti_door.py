"""3D detection from the scripts and from Python, with a narrow network on a tiny set."""

import json
import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from centernet_plugin.datasets.kitti_files import read_camera
from centernet_plugin.engine.test_modes import use_tta
from centernet_plugin.errors import UserInputError
from centernet_plugin.visualization import draw_birds_eye

from .conftest import ROOT, output, run_process
from .test_pose_door import NARROW, TEST, TRAIN, assert_drawn_by_ours, predictions
from .test_tools import sentence

sys.path.insert(0, str(Path(__file__).parents[1]))
from tiny_kitti import make_kitti  # noqa: E402

pytestmark = pytest.mark.door
CONFIG = """
_base_ = '{base}'
{narrow}
size = (320, 96)
train_pipeline = _base_.train_pipeline
train_pipeline[2].size = size
test_pipeline = _base_.test_pipeline
test_pipeline[1].size = size
model = dict(**narrow, bbox_head=narrow_head)
set = dict(data_root={root!r})
train_dataloader = dict(batch_size=2, **loader, dataset=dict(pipeline=train_pipeline, **set))
val_dataloader = dict(**loader, dataset=dict(pipeline=test_pipeline, **set))
test_dataloader = val_dataloader
val_evaluator = dict(label_dir={root!r} + '/training/label_2')
test_evaluator = val_evaluator
"""
# The camera is that of the image, so it has to come from whoever has the image.
IN_PYTHON = """
import json, sys
import numpy as np
from mmdet.apis import inference_detector, init_detector
from mmengine.dataset import Compose
config, checkpoint, image, camera = sys.argv[1:]
model = init_detector(config, checkpoint, device='cpu')
pipeline, cam2img = Compose(model.cfg.test_pipeline), np.array(json.loads(camera))
seen = inference_detector(
    model, image, test_pipeline=lambda results: pipeline(dict(results, cam2img=cam2img))
)
blind = inference_detector(model, image)
results = [{name: v.tolist() for name, v in s.pred_instances.items()} for s in (seen, blind)]
print('RESULT', json.dumps(results))
"""


@pytest.fixture(scope='module')
def frames(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('frames')
    make_kitti(root, frames=4)
    return root


@pytest.fixture(scope='module')
def config(frames, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp('config') / 'space.py'
    base = ROOT / 'configs/kitti/centernet_dla34-dcnv2_2xb8-warp1280x384-70e_kitti.py'
    path.write_text(CONFIG.format(base=base, narrow=NARROW, root=str(frames)))
    return path


@pytest.fixture(scope='module')
def trained(config, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('trained')
    result = run_process(sys.executable, TRAIN, config, cwd=folder)
    (folder / 'output.txt').write_text(output(result))
    return folder / 'work_dirs' / 'space'


@pytest.fixture(scope='module')
def checkpoint(trained) -> Path:
    return trained / 'epoch_1.pth'


def test_trains_evaluates_and_resumes(run, config, trained, checkpoint):
    text = (trained.parents[1] / 'output.txt').read_text()
    for name in ('heatmap', 'depth', 'dimension', 'orientation', 'size', 'offset'):
        assert re.search(rf'Epoch\(train\) \[1\]\[2/2\].* loss_{name}: \d', text), name
    assert re.search(r'kitti/3d_mAP40_moderate: \d', text)

    options = ('--cfg-options', 'train_cfg.max_epochs=2', 'train_cfg.val_interval=5')
    result = run(sys.executable, TRAIN, config, '--work-dir', trained, '--resume', *options)
    assert 'resumed epoch: 1' in output(result) and 'Epoch(train) [2][2/2]' in output(result)
    assert 'Epoch(train) [1]' not in output(result)
    assert (trained / 'epoch_2.pth').is_file()


def test_test_evaluates_keeps_predictions_and_draws(run, config, checkpoint, tmp_path):
    files = ('test_evaluator.outfile_prefix=results', 'test_evaluator.detailed=True')
    result = run(
        *(sys.executable, TEST, config, checkpoint, '--out', 'kept.pkl', '--show-dir', 'drawn'),
        *('--cfg-options', *files),
    )
    text = output(result)
    assert re.search(r'kitti/3d_mAP40_moderate: \d', text)
    assert re.search(r'kitti/Car_bev_AP11_easy_0\.50: (\d|nan)', text), 'the published metric'
    kept = predictions(tmp_path / 'kept.pkl')
    assert set(kept) == {f'{i:06d}' for i in range(4)}
    for frame, sample in kept.items():
        found = sample['pred_instances']
        assert found['locations'].shape == found['dimensions'].shape == (100, 3)
        assert len((tmp_path / 'results' / f'{frame}.txt').read_text().splitlines()) == 100
    (folder,) = tmp_path.glob('work_dirs/space/*/drawn')
    meta = dict(
        classes=('Pedestrian', 'Car', 'Cyclist'),
        palette=[(255, 180, 60), (70, 160, 255), (110, 225, 120)],
    )
    assert_drawn_by_ours(folder, kept, meta)


def test_no_augmented_test_is_published(config):
    with pytest.raises(UserInputError, match='augmentation needs tta_model in the config'):
        use_tta(Config.fromfile(config))  # what --tta calls


@pytest.mark.usefixtures('written_placeholder')
def test_inference_in_python(run, config, checkpoint, frames):
    """With the camera as in testing; without it nothing that depends on it."""
    image = frames / 'training/image_2/000000.png'
    camera = read_camera(str(frames / 'training/calib/000000.txt')).tolist()
    program = (sys.executable, '-c', IN_PYTHON, config, checkpoint, image, json.dumps(camera))
    result = run(*program)
    line = next(line for line in result.stdout.splitlines() if line.startswith('RESULT '))
    seen, blind = json.loads(line.removeprefix('RESULT '))
    assert set(seen) - set(blind) == {'locations', 'rotations_y'}
    assert {'bboxes', 'depths', 'dimensions', 'alphas'} <= set(blind)
    assert all(seen[name] == blind[name] for name in blind)
    p, boxes = np.array(camera), np.array(seen['bboxes'])
    points = np.array(seen['locations']) @ p[:, :3].T + p[:, 3]
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    np.testing.assert_allclose(points[:, :2] / points[:, 2:], middle, atol=0.1)
    np.testing.assert_allclose(points[:, 2], seen['depths'], rtol=1e-4)


@pytest.mark.slow
def test_detects_on_a_folder_of_images(run, config, checkpoint, frames, tmp_path):
    """Pictures, and json with every field; boxes in space where the camera is given."""
    script, folder = ROOT / 'tools' / 'infer.py', frames / 'training'
    common = (config, checkpoint, '--device', 'cpu', '--score-thr', '0')
    program = (sys.executable, script, folder / 'image_2', *common)
    result = run(*program, '--out-dir', 'seen', '--calib', folder / 'calib', '--batch-size', '3')
    assert 'views from above in seen/birds_eye' in result.stdout
    result = run(
        sys.executable, script, folder / 'image_2/000001.png', *common, '--out-dir', 'blind'
    )
    assert 'boxes in space need the camera: --calib' in result.stdout
    names = [f'{i:06d}' for i in range(4)]
    assert sorted(p.stem for p in (tmp_path / 'seen/vis').iterdir()) == names
    assert sorted(p.stem for p in (tmp_path / 'seen/preds').iterdir()) == names
    assert sorted(p.stem for p in (tmp_path / 'seen/birds_eye').iterdir()) == names
    seen = json.loads((tmp_path / 'seen/preds/000001.json').read_text())
    blind = json.loads((tmp_path / 'blind/preds/000001.json').read_text())
    assert set(seen) - set(blind) == {'locations', 'rotations_y'}
    assert np.array(seen['locations']).shape == (100, 3)
    above = (np.array(seen[name]) for name in ('locations', 'dimensions', 'rotations_y'))
    drawn = draw_birds_eye(*above, seen['labels'], ('Pedestrian', 'Car', 'Cyclist'))
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / 'seen/birds_eye/000001.png')), drawn)
    np.testing.assert_allclose(seen['bboxes'], blind['bboxes'], atol=1e-2)

    result = run(sys.executable, script, 'nowhere', *common, code=2)
    assert sentence(result) == "error: image or folder 'nowhere' does not exist"
    result = run(*program, '--calib', tmp_path, code=2)
    assert '000000.txt' in sentence(result)
