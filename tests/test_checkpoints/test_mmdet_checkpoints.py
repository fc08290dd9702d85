"""MMDetection's own CenterNet checkpoints: here they give what they give there."""

import cv2
import mmdet
import numpy as np
import pytest
import torch
from mmcv.ops import modulated_deform_conv
from mmdet.datasets.transforms import PackDetInputs  # noqa: F401  registers the pipelines
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope

from centernet_plugin.checkpoints import convert_file, summary
from centernet_plugin.models.layers.deform_conv import modulated_deform_conv2d

FORMS = {
    'plain': (
        'centernet_r18_8xb16-crop512-140e_coco.py',
        'centernet_r18-mmdet_8xb16-warp512-140e_coco',
        "MMDetection's CenterNet: ResNet-18, plain up-convolution, detection, 80 classes, "
        'epoch 140',
    ),
    'deformable': (
        'centernet_r18-dcnv2_8xb16-crop512-140e_coco.py',
        'centernet_r18-dcnv2-mmdet_8xb16-warp512-140e_coco',
        "MMDetection's CenterNet: ResNet-18, deformable up-convolution, detection, 80 classes, "
        'epoch 140',
    ),
}
SIZES = [(61, 90), (64, 96)]  # height and width; of the second, every side is a multiple of 32


def theirs(config):
    """MMDetection's model with weights that are alive: activations and sizes of a trained one."""
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.init_weights()
    for name, parameter in model.named_parameters():
        if 'conv_offset' in name:
            torch.nn.init.normal_(parameter, std=0.02)
        elif 'wh_head.2' in name or 'offset_head.2' in name:
            torch.nn.init.uniform_(parameter, 0.1, 0.3)
        elif 'head.2' in name:
            torch.nn.init.normal_(parameter, std=0.1)
        elif 'deconv_layers' in name and name.endswith('bn.weight'):
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(torch.randn(2, 3, 96, 128), mode='tensor')
    return model.eval()


def predict(model, config, image):
    """Detections by the test pipeline of ``config``."""
    pipeline = Compose(config.test_dataloader.dataset.pipeline)
    data = pipeline(dict(img_path=str(image), img_id=0, instances=[]))
    batch = dict(inputs=[data['inputs']], data_samples=[data['data_samples']])
    with torch.no_grad():
        return model.test_step(batch)[0].pred_instances


@pytest.fixture(params=FORMS)
def pair(request, tmp_path, monkeypatch):
    """(their model, its config, our model, its config, what the conversion says)."""
    monkeypatch.setattr(modulated_deform_conv, 'modulated_deform_conv2d', modulated_deform_conv2d)
    name, expected, found = FORMS[request.param]
    config = Config.fromfile(f'{mmdet.__path__[0]}/.mim/configs/centernet/{name}')
    config.model.backbone.init_cfg = None  # no download
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = theirs(config)
    meta = dict(epoch=140, CLASSES=tuple(f'class {i}' for i in range(80)), mmdet_version='2.13.0')
    torch.save(dict(meta=meta, state_dict=model.state_dict()), tmp_path / 'released.pth')
    result = convert_file(tmp_path / 'released.pth', tmp_path / 'ours.pth')
    assert result.choice.path.stem == expected and result.choice.options == {}
    assert f'found    {found}\n' in summary(result)
    content = torch.load(tmp_path / 'ours.pth', weights_only=True)
    assert content['meta']['dataset_meta']['classes'] == meta['CLASSES']
    ours = MODELS.build(result.choice.config.model).eval()
    ours.load_state_dict(content['state_dict'], strict=True)
    return model, config, ours, result.choice.config


def test_raw_maps_and_detections(pair, tmp_path):
    model, config, ours, our_config = pair
    image = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        expected = model.double()(image, mode='tensor')
        (maps,) = ours.double()(image, mode='tensor')
    maps['heatmap'] = maps['heatmap'].sigmoid()  # as theirs is given
    for (target,), name in zip(expected, ('heatmap', 'size', 'offset'), strict=True):
        assert (maps[name] - target).abs().max() <= 1e-9 * target.abs().max()

    model.float(), ours.float()
    for height, width in SIZES:
        pixels = np.random.RandomState(height).randint(0, 256, (height // 8, width // 8, 3))
        pixels = cv2.resize(pixels.astype(np.uint8), (width, height))
        cv2.imwrite(str(tmp_path / 'image.png'), pixels)
        with DefaultScope.overwrite_default_scope('mmdet'):
            target = predict(model, config, tmp_path / 'image.png')
            result = predict(ours, our_config, tmp_path / 'image.png')
        assert len(result) == len(target) == 100
        assert target.scores.std() > 0.01, 'detections differ from each other'
        assert torch.equal(result.labels, target.labels)
        torch.testing.assert_close(result.scores, target.scores, rtol=0, atol=1e-5)
        torch.testing.assert_close(result.bboxes, target.bboxes, rtol=0, atol=1e-3)
