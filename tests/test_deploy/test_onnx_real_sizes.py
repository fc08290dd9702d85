"""The shipped networks as they are, with weights at random."""

from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from small_networks import disturb, noise

for package in ('onnx', 'onnxscript', 'onnxruntime'):
    pytest.importorskip(package, reason="needs pip install -e '.[deploy]'")

from centernet_plugin.deploy.detector_graph import normalise  # noqa: E402
from centernet_plugin.deploy.onnx_file import make_onnx  # noqa: E402

CONFIGS = Path(__file__).parents[2] / 'configs'
NAMES = [
    'centernet/centernet_r18_8xb16-warp512-140e_coco.py',
    'centernet/centernet_r18-dcnv2_4xb28-warp512-140e_coco.py',
    'centernet/centernet_dla34_8xb16-warp512-140e_coco.py',
    'centernet/centernet_dla34-dcnv2_8xb16-warp512-140e_coco.py',
    'centernet/centernet_hourglass104_8xb3-warp512-50e_coco.py',
    'centernet/centernet_mobilenetv2_8xb16-modern-140e_coco.py',
    'centernet/centernet_cspnext-tiny_8xb16-modern-140e_coco.py',
    'pose/centernet_dla34-dcnv2_8xb16-warp512-140e_coco-keypoints.py',
    'kitti/centernet_dla34-dcnv2_2xb8-warp1280x384-70e_kitti.py',
]


@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
def test_export_and_comparison(name, tmp_path):
    config = Config.fromfile(CONFIGS / name)
    init_default_scope('mmdet')
    config.model.backbone.init_cfg = None
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = MODELS.build(config.model)
        disturb(model)
        with torch.no_grad():
            model.train()(noise(2, (256, 256)))
            pixels = torch.randint(256, (1, 3, 256, 256)).float()
            pixels = normalise(pixels, model.data_preprocessor)
            for output in model.eval().bbox_head.heads[-1].values():
                scale = output(model.extract_feat(pixels)[-1]).abs().max()
                output[-1].weight /= scale  # no saturated scores, no depths of kilometres
                output[-1].bias /= scale
    differences = make_onnx(model, tmp_path / 'out.onnx', classes=(), config=config)
    assert len(differences) == 2
    assert all(found.compared > 0.5 * 100 * found.shape[0] for found in differences)
