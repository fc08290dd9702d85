"""Every shipped config: well-formed, builds, trains a step, predicts."""

from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
SHIPPED = sorted(p for p in CONFIGS.rglob('*.py') if '_base_' not in p.relative_to(CONFIGS).parts)
ROOT_TYPES = {  # live in mmengine's or mmcv's root registries, where a prefix would not be found
    'LoadImageFromFile', 'OptimWrapper', 'AmpOptimWrapper', 'Adam', 'AdamW', 'SGD', 'MultiStepLR',
    'LinearLR', 'OneCycleLR', 'CosineAnnealingLR', 'EpochBasedTrainLoop', 'ValLoop', 'TestLoop',
    'IterTimerHook', 'LoggerHook', 'ParamSchedulerHook', 'CheckpointHook', 'DistSamplerSeedHook',
    'EMAHook', 'ExpMomentumEMA', 'LocalVisBackend', 'LogProcessor', 'DefaultSampler', 'Pretrained',
}  # fmt: skip


def types_of(node):
    if isinstance(node, dict):
        yield from [node['type']] if 'type' in node else []
        node = node.values()
    elif not isinstance(node, list | tuple):
        return
    for value in node:
        yield from types_of(value)


def test_basenames_are_unique():
    names = [path.name for path in SHIPPED]
    assert len(names) == len(set(names)) >= 7


@pytest.mark.parametrize('path', SHIPPED, ids=lambda p: p.stem)
def test_every_type_says_where_it_lives(path):
    config = Config.fromfile(path)
    assert config.default_scope == 'mmdet'
    assert config.custom_imports['imports'] == ['centernet_plugin']
    assert config.auto_scale_lr.base_batch_size > 0
    bare = {t for t in types_of(config.to_dict()) if '.' not in t} - ROOT_TYPES
    assert not bare, f'{bare} would be looked up in mmdet first'


@pytest.mark.parametrize('path', SHIPPED, ids=lambda p: p.stem)
def test_builds_trains_and_predicts(path):
    torch.manual_seed(0)
    config = Config.fromfile(path)
    config.model.backbone.init_cfg = None  # no download
    model = MODELS.build(config.model)
    model.init_weights()
    classes = model.bbox_head.num_classes
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        names = loader.dataset.get('metainfo', {}).get('classes')
        assert classes == (len(names) if names else 80)

    sample = DetDataSample(
        metainfo=dict(img_shape=(64, 64), ori_shape=(64, 64), scale_factor=(1.0, 1.0))
    )
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor([[4.0, 8, 40, 50]]), labels=torch.tensor([1])
    )
    sample.ignored_instances = InstanceData(
        bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.int64)
    )
    image = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
    other = torch.zeros(3, 64, 64, dtype=torch.uint8)
    batch = dict(inputs=[image, other], data_samples=[sample, sample.clone()])
    losses = model(**model.data_preprocessor(batch, training=True), mode='loss')
    sum(losses.values()).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert not without, 'every parameter learns, so plain DistributedDataParallel works'

    model.eval()
    with torch.no_grad():
        results = model.test_step(dict(inputs=[image], data_samples=[sample]))
    assert len(results[0].pred_instances) == 100
    assert results[0].pred_instances.bboxes.isfinite().all()


PAPER = {  # images per step, learning rate: 1.25e-4 per 32 images
    'centernet_r18_8xb16-warp512-140e_coco': (128, 5e-4),
    'centernet_r18-dcnv2_4xb28-warp512-140e_coco': (112, 5e-4),
    'centernet_r101_8xb12-warp512-140e_coco': (96, 3.75e-4),
    'centernet_r101-dcnv2_8xb12-warp512-140e_coco': (96, 3.75e-4),
}


@pytest.mark.parametrize('name', PAPER)
def test_published_recipe(name):
    batch, lr = PAPER[name]
    config = Config.fromfile(CONFIGS / 'centernet' / f'{name}.py')
    assert config.optim_wrapper == dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=lr))
    (schedule,) = config.param_scheduler
    assert (schedule.milestones, schedule.gamma, schedule.by_epoch) == ([90, 120], 0.1, True)
    assert config.train_cfg.max_epochs == 140
    assert config.auto_scale_lr.base_batch_size == batch
    statistics = config.model.data_preprocessor
    mean, std = (0.40789654, 0.44719302, 0.47026115), (0.28863828, 0.27408164, 0.27809835)
    assert statistics.mean == pytest.approx([255 * v for v in mean])
    assert statistics.std == pytest.approx([255 * v for v in std])
    assert statistics.bgr_to_rgb is False
    assert config.model.train_cfg.crowd == 'object' and config.model.test_cfg.clip is False
    assert config.train_dataloader.dataset.filter_cfg.filter_empty_gt is False
