"""Every shipped config: well-formed, builds, trains a step, predicts; the paper's are its own."""

import functools
import json
import re
from collections import OrderedDict
from pathlib import Path

import cv2
import mmdet
import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS, MODELS, TRANSFORMS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from voc_devkit import make_voc

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
SHIPPED = sorted(p for p in CONFIGS.rglob('*.py') if '_base_' not in p.relative_to(CONFIGS).parts)
ROOT_TYPES = {  # live in mmengine's or mmcv's root registries, where a prefix would not be found
    'LoadImageFromFile', 'OptimWrapper', 'AmpOptimWrapper', 'Adam', 'AdamW', 'SGD', 'MultiStepLR',
    'LinearLR', 'OneCycleLR', 'CosineAnnealingLR', 'EpochBasedTrainLoop', 'ValLoop', 'TestLoop',
    'IterTimerHook', 'LoggerHook', 'ParamSchedulerHook', 'CheckpointHook', 'DistSamplerSeedHook',
    'EMAHook', 'ExpMomentumEMA', 'LocalVisBackend', 'LogProcessor', 'DefaultSampler', 'Pretrained',
    'BN', 'SiLU', 'TestTimeAug',
    'soft_nms',  # not a class: a way of suppression
}  # fmt: skip


def load(name):
    """The config of that basename."""
    return Config.fromfile(CONFIGS / 'centernet' / f'{name}.py')


def types_of(node):
    if isinstance(node, dict):
        yield from [node['type']] if 'type' in node else []
        node = node.values()
    elif not isinstance(node, list | tuple):
        return
    for value in node:
        yield from types_of(value)


def datasets_of(loader):
    """The datasets of a loader, out of the wrapper that joins them."""
    return loader.dataset.get('datasets', [loader.dataset])


def transform(pipeline, name):
    (step,) = [step for step in pipeline if step.type == f'centernet_plugin.{name}']
    return step


def test_basenames_are_unique():
    names = [path.name for path in SHIPPED]
    assert len(names) == len(set(names)) >= 21


@pytest.mark.parametrize('path', SHIPPED, ids=lambda p: p.stem)
def test_is_well_formed(path):
    config = Config.fromfile(path)
    assert config.default_scope == 'mmdet'
    assert config.custom_imports['imports'] == ['centernet_plugin']
    bare = {t for t in types_of(config.to_dict()) if '.' not in t} - ROOT_TYPES
    assert not bare, f'{bare} would be looked up in mmdet first'

    processes, images = map(int, re.search(r'_(\d+)xb(\d+)-', path.stem).groups())
    assert config.train_dataloader.batch_size == images
    assert config.auto_scale_lr.base_batch_size == processes * images
    epochs = re.search(r'-(\d+)e_', path.stem)
    assert not epochs or config.train_cfg.max_epochs == int(epochs.group(1))
    side = re.search(r'-warp(\d+)-', path.stem)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        for dataset in datasets_of(loader):
            classes = dataset.get('metainfo', DATASETS.get(dataset.type).METAINFO)['classes']
            assert config.model.bbox_head.num_classes == len(classes)
            if any(step.get('on_device') for step in dataset.pipeline):
                assert dataset.pipeline[-1].type == 'centernet_plugin.PackDetInputs'
                assert dataset.pipeline[-2].type == 'centernet_plugin.PaperColorJitter'
                assert config.model.data_preprocessor.type == 'centernet_plugin.DataPreprocessor'
            if side and loader is config.train_dataloader:
                warp = transform(dataset.pipeline, 'RandomCropAffine')
                assert warp.size == (int(side.group(1)),) * 2


@functools.cache
def networks():
    """One config of every different model; those of other schedules or sizes share theirs."""
    chosen = {}
    for path in SHIPPED:
        chosen.setdefault(json.dumps(Config.fromfile(path).model, sort_keys=True), path)
    return sorted(chosen.values())


# Hourglass-104 at a quarter of its width; its size is in test_published_recipe.
NARROW = {
    'centernet_hourglass104_8xb3-warp512-50e_coco': {
        'backbone.stage_channels': (64, 64, 96, 96, 96, 128),
        'backbone.feat_channel': 64,
        'bbox_head.in_channels': 64,
    }
}


@pytest.mark.parametrize('path', networks(), ids=lambda p: p.stem)
def test_builds_trains_and_predicts(path):
    torch.manual_seed(0)
    config = Config.fromfile(path)
    config.model.backbone.init_cfg = None  # no download
    config.model = merged(config.model, NARROW.get(path.stem, {}))
    model = MODELS.build(config.model)
    model.init_weights()

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


def merged(model, options):
    config = Config(dict(model=model))
    config.merge_from_dict({f'model.{key}': value for key, value in options.items()})
    return config.model


# Parameters are those of the original networks; DLA-34's without its classifier (513000) and the
# projections of level 3 and 4 that never reach an output (41728).
UNUSED = 513_000 + 41_728
RES = dict(width=64, stacks=1, multiple=32, drops=[90, 120])
DLA = dict(RES, width=256, rule='dla')
VOC = dict(images=32, lr=1.25e-4, drops=[45, 60])
PAPER = {
    'centernet_r18_8xb16-warp512-140e_coco': dict(
        RES, images=128, lr=5e-4, rule='res', params=15_820_372
    ),
    'centernet_r18-dcnv2_4xb28-warp512-140e_coco': dict(
        RES, images=112, lr=5e-4, rule='resdcn', params=14_437_349
    ),
    'centernet_r101_8xb12-warp512-140e_coco': dict(
        RES, images=96, lr=3.75e-4, rule='res', params=53_435_476
    ),
    'centernet_r101-dcnv2_8xb12-warp512-140e_coco': dict(
        RES, images=96, lr=3.75e-4, rule='resdcn', params=49_673_189
    ),
    'centernet_dla34-dcnv2_8xb16-warp512-140e_coco': dict(
        DLA, images=128, lr=5e-4, params=20_188_892 - UNUSED
    ),
    'centernet_dla34-dcnv2_8xb16-warp512-230e_coco': dict(
        DLA, images=128, lr=5e-4, params=20_188_892 - UNUSED, drops=[180, 210]
    ),
    'centernet_dla34_8xb16-warp512-140e_coco': dict(
        DLA, images=128, lr=5e-4, params=18_474_476 - UNUSED, rule='resdcn'
    ),
    'centernet_hourglass104_8xb3-warp512-50e_coco': dict(
        images=24, lr=2.5e-4, drops=[40], width=256, rule='hourglass', stacks=2, multiple=128,
        params=191_284_008,
    ),
}  # fmt: skip
for _side in (384, 512):
    PAPER |= {
        f'centernet_{name}_1xb32-warp{_side}-70e_voc0712': settings | VOC
        for name, settings in {
            'r18-dcnv2': dict(RES, rule='resdcn', params=14_433_449),
            'r101-dcnv2': dict(RES, rule='resdcn', params=49_669_289),
            'dla34-dcnv2': dict(DLA, params=20_173_472 - UNUSED),
        }.items()
    }
STATISTICS = {  # per channel as cv2 reads them; VOC's are in the order of RGB, as published
    'coco': ((0.40789654, 0.44719302, 0.47026115), (0.28863828, 0.27408164, 0.27809835)),
    'voc0712': ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


@pytest.mark.parametrize('name', PAPER)
def test_published_recipe(name):
    config, paper, data = load(name), PAPER[name], name.rpartition('_')[2]
    assert config.optim_wrapper == dict(
        type='OptimWrapper', optimizer=dict(type='Adam', lr=paper['lr'])
    )
    (schedule,) = config.param_scheduler
    assert (schedule.milestones, schedule.gamma) == (paper['drops'], 0.1)
    assert schedule.by_epoch
    assert config.auto_scale_lr.base_batch_size == paper['images']

    preprocessor = config.model.data_preprocessor
    mean, std = STATISTICS[data]
    assert preprocessor.mean == pytest.approx([255 * v for v in mean])
    assert preprocessor.std == pytest.approx([255 * v for v in std])
    assert preprocessor.bgr_to_rgb is False
    assert preprocessor.pad_size_divisor == paper['multiple']
    for loader in (config.val_dataloader, config.test_dataloader):
        pipeline = loader.dataset.pipeline
        if data == 'coco':
            assert transform(pipeline, 'KeepResPad').pad == paper['multiple'] - 1
        else:
            side = int(re.search(r'-warp(\d+)-', name).group(1))
            assert transform(pipeline, 'FixResAffine').size == (side, side)
    train = config.train_dataloader
    assert train.drop_last is True
    for dataset in datasets_of(train):
        assert [step.type.rpartition('.')[2] for step in dataset.pipeline] == [
            'LoadImageFromFile',
            'LoadAnnotations',
            'RandomCropAffine',
            'PaperColorJitter',
            'PackDetInputs',
        ]
        assert transform(dataset.pipeline, 'RandomCropAffine').get('resample', 'warp') == 'warp'
    if data == 'coco':
        assert train.dataset.filter_cfg.filter_empty_gt is False
    else:
        years = [dataset.ann_file for dataset in datasets_of(train)]
        assert years == [f'VOC{year}/ImageSets/Main/trainval.txt' for year in (2007, 2012)]
        for loader in (config.val_dataloader, config.test_dataloader):
            assert loader.dataset.ann_file == 'VOC2007/ImageSets/Main/test.txt'
        for evaluator in (config.val_evaluator, config.test_evaluator):
            assert evaluator == dict(type='mmdet.VOCMetric', metric='mAP', eval_mode='11points')

    head = config.model.bbox_head
    assert head.get('feat_channels', 64) == paper['width']
    assert head.init_rule == paper['rule']
    assert head.get('num_stacks', 1) == paper['stacks']
    assert not {'loss_heatmap', 'branches', 'radius_rule', 'min_overlap'} & set(head)
    assert config.model.train_cfg.crowd == 'object' and config.model.test_cfg.clip is False
    with torch.device('meta'):
        model = MODELS.build(config.model)
    assert sum(p.numel() for p in model.parameters()) == paper['params']


# Where backbones start; the rest start from scratch.
RSB = 'https://download.openmmlab.com/mmdetection/v3.0/rtmdet/cspnext_rsb_pretrain/'
IMAGENET = {
    '_r18': dict(checkpoint='torchvision://resnet18'),
    '_r101': dict(checkpoint='torchvision://resnet101'),
    '_dla34': dict(
        checkpoint='https://huggingface.co/timm/dla34.in1k/resolve/main/pytorch_model.bin'
    ),
    '_mobilenetv2': dict(checkpoint='open-mmlab://mmdet/mobilenet_v2'),
    '_cspnext-tiny': dict(prefix='backbone.', checkpoint=f'{RSB}cspnext-tiny_imagenet_600e.pth'),
}


@pytest.mark.parametrize('path', SHIPPED, ids=lambda p: p.stem)
def test_imagenet_weights(path):
    backbone = Config.fromfile(path).model.backbone
    if path.stem.endswith(('_bccd', '_synthetic')) or 'hourglass' in path.stem:
        assert backbone.get('init_cfg') is None
        return
    (source,) = [source for name, source in IMAGENET.items() if re.search(name + '[-_]', path.stem)]
    assert backbone.init_cfg == dict(source, type='Pretrained')


@pytest.mark.parametrize('dcn', [False, True])
def test_mmdet_layout_is_that_of_mmdet(dcn, tmp_path):
    """The network, the input and the settings at test time of mmdet's stock config."""
    ours = load(f'centernet_r18{"-dcnv2" * dcn}-mmdet_8xb16-warp512-140e_coco')
    stock = Path(mmdet.__file__).parent / '.mim/configs/centernet'
    stock = Config.fromfile(stock / f'centernet_r18{"-dcnv2" * dcn}_8xb16-crop512-140e_coco.py')
    for key in ('mean', 'std', 'bgr_to_rgb'):
        assert ours.model.data_preprocessor[key] == stock.model.data_preprocessor[key]
    assert ours.model.neck.deconv_channels == tuple(stock.model.neck.num_deconv_filters)
    assert ours.model.neck.get('use_dcn', False) is stock.model.neck.use_dcn is dcn
    assert ours.model.test_cfg == dict(max_per_img=stock.model.test_cfg.max_per_img, clip=False)

    rng = np.random.default_rng(0)
    path = tmp_path / 'a.png'
    cv2.imwrite(str(path), rng.integers(0, 256, (97, 160, 3), np.uint8))
    info = dict(img_path=str(path), img_id=0, instances=[])
    with_scope = [dict(step, type=f'mmdet.{step.type}') for step in stock.test_pipeline[1:]]
    results = [
        Compose([TRANSFORMS.build(step) for step in pipeline])(dict(info))
        for pipeline in (ours.test_pipeline, [stock.test_pipeline[0], *with_scope])
    ]
    assert torch.equal(results[0]['inputs'].float(), results[1]['inputs'])
    borders = [result['data_samples'].border for result in results]
    np.testing.assert_array_equal(*borders)


def test_mmdet_gaussians_are_those_of_mmdet():
    """On sides of whole cells: ours, as published, rounds the others up first."""
    ours = MODELS.build(load('centernet_r18-mmdet_8xb16-warp512-140e_coco').model.bbox_head)
    stock = MODELS.get('mmdet.CenterNetHead')(64, 64, 80)
    rng = torch.Generator().manual_seed(0)
    corners = torch.randint(1024, (20, 2), generator=rng) / 4
    sides = 4 * torch.randint(1, 64, (20, 2), generator=rng)
    boxes, labels = torch.cat((corners, corners + sides), 1), torch.arange(20)
    targets = ours.get_targets((128, 128), [InstanceData(bboxes=boxes, labels=labels)])
    theirs, _ = stock.get_targets([boxes], [labels], (1, 80, 128, 128), (512, 512))
    torch.testing.assert_close(targets.heatmap.dense(), theirs['center_heatmap_target'])


@pytest.mark.parametrize(
    ('name', 'mean', 'is_rgb'),
    [
        ('r18-dcnv2', (123.675, 116.28, 103.53), True),
        ('mobilenetv2', (123.675, 116.28, 103.53), True),
        ('cspnext-tiny', (103.53, 116.28, 123.675), False),
    ],
)
def test_modern_recipe(name, mean, is_rgb):
    config = load(f'centernet_{name}_8xb16-modern-140e_coco')
    crop = transform(config.train_dataloader.dataset.pipeline, 'RandomCropAffine')
    assert crop.resample == 'resize'
    preprocessor = config.model.data_preprocessor
    std = dict(zip((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), strict=True))
    assert tuple(preprocessor.mean) == mean
    assert tuple(preprocessor.std) == tuple(std[value] for value in mean)
    assert preprocessor.bgr_to_rgb is is_rgb


VOC_IMAGES = {
    ('2007', 'trainval'): [[('dog', 0, 20, 11, 90, 80), ('person', 1, 100, 30, 140, 110)]],
    ('2012', 'trainval'): [[('tvmonitor', 0, 31, 21, 120, 100)]],
    ('2007', 'test'): [[('cat', 0, 11, 21, 110, 100), ('bus', 1, 121, 1, 150, 60)]],
}


def test_voc_trains_and_evaluates(tmp_path, monkeypatch):
    # A runner sets mmdet's scope for good, in which later tests would not miss a prefix.
    monkeypatch.setattr(DefaultScope, '_instance_dict', OrderedDict())
    make_voc(tmp_path, VOC_IMAGES)
    config = load('centernet_r18-dcnv2_1xb32-warp384-70e_voc0712')
    config.merge_from_dict(
        {
            'model.backbone.base_channels': 8,
            'model.backbone.init_cfg': None,
            'model.neck.in_channels': 64,
            'train_dataloader.batch_size': 2,
            'train_cfg.max_epochs': 1,
            'work_dir': str(tmp_path / 'run'),
        }
    )
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
        for dataset in datasets_of(loader):
            dataset.data_root = str(tmp_path)
    runner = Runner.from_cfg(config)
    runner.train()
    assert runner.iter == 1 and len(runner.train_dataloader.dataset) == 2
    assert 0 <= runner.message_hub.get_scalar('val/pascal_voc/mAP').current() <= 1
    assert list((tmp_path / 'run').glob('best_pascal_voc_mAP*.pth')), 'the best is kept by mAP'

    np.random.seed(0)  # windows in which every object is seen
    # A difficult object comes as an ignored one; it is trained on, but not counted.
    samples = [runner.train_dataloader.dataset[i]['data_samples'] for i in range(2)]
    assert [len(s.gt_instances) for s in samples] == [1, 1]
    assert [len(s.ignored_instances) for s in samples] == [1, 0]
    targets = runner.model.bbox_head.get_targets(
        (96, 96), [s.gt_instances for s in samples], [s.ignored_instances for s in samples]
    )
    assert targets.weight.sum() == 3
    (batch,) = runner.val_dataloader
    (sample,) = batch['data_samples']
    assert batch['inputs'][0].shape == (3, 384, 384)
    assert sample.gt_instances.bboxes.tensor.tolist() == [[10, 20, 109, 99]], 'of the image, from 0'
    assert sample.ignored_instances.labels.tolist() == [5]
    for instances in (sample.gt_instances, sample.ignored_instances):
        instances.bboxes = instances.bboxes.tensor  # as the detector's predict leaves them
    sample.pred_instances = InstanceData(
        bboxes=sample.gt_instances.bboxes, labels=sample.gt_instances.labels, scores=torch.ones(1)
    )
    runner.val_evaluator.process([sample], batch)
    assert runner.val_evaluator.evaluate(1)['pascal_voc/mAP'] == 1
