"""Every shipped config: well-formed, builds, trains a step, predicts; the paper's are its own."""

import functools
import inspect
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

from centernet_plugin.datasets import CocoPoseDataset
from centernet_plugin.models import CenterNetHead

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
    (path,) = [path for path in SHIPPED if path.stem == name]
    return Config.fromfile(path)


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


def input_size(name):
    """Width and height that a config's name says, -warp512- or -warp1280x384-; or None."""
    found = re.search(r'-warp(\d+)(?:x(\d+))?-', name)
    return found and (int(found.group(1)), int(found.group(2) or found.group(1)))


def training_warp(pipeline):
    names = ('RandomCropAffine', 'RandomShiftScaleAffine', 'FixResAffine')
    (step,) = [step for step in pipeline if step.type.rpartition('.')[2] in names]
    return step


CARRIERS = ('LoadAnnotations', 'PackDetInputs')  # of what branches need beyond boxes
FIELDS = {  # by branch, what it trains on: of one object in an image of 64 x 64
    'JointsBranch': dict(keypoints=torch.linspace(6, 48, 34).view(1, 17, 2)),
    'DepthBranch': dict(depths=torch.tensor([12.0])),
    'DimensionBranch': dict(dimensions=torch.tensor([[1.5, 1.6, 3.9]])),
    'OrientationBranch': dict(alphas=torch.tensor([0.4])),  # in both bins
}
CAM2IMG = np.array([[180.0, 0, 32, 11], [0, 180, 32, 0.05], [0, 0, 1, 0.003]])


def branch_fields(model):
    fields = {}
    for branch in model.bbox_head.get('branches', []):
        fields |= FIELDS.get(branch.type.rpartition('.')[2], {})
    return fields


def test_basenames_are_unique():
    names = [path.name for path in SHIPPED]
    assert len(names) == len(set(names)) >= 27
    assert {path.parent.name for path in SHIPPED} == {'centernet', 'pose', 'kitti'}


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
    size = input_size(path.stem)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        for dataset in datasets_of(loader):
            metainfo = dict(DATASETS.get(dataset.type).METAINFO, **dataset.get('metainfo', {}))
            assert config.model.bbox_head.num_classes == len(metainfo['classes'])
            for branch in config.model.bbox_head.get('branches', []):
                if 'num_joints' in branch:
                    assert branch.num_joints == len(metainfo['keypoints'])
                    assert list(map(tuple, branch.flip_pairs)) == list(metainfo['flip_pairs'])
            if any(step.get('on_device') for step in dataset.pipeline):
                assert dataset.pipeline[-1].type == 'centernet_plugin.PackDetInputs'
                assert dataset.pipeline[-2].type == 'centernet_plugin.PaperColorJitter'
                assert config.model.data_preprocessor.type == 'centernet_plugin.DataPreprocessor'
            if size and loader is config.train_dataloader:
                assert training_warp(dataset.pipeline).size == size
            if branch_fields(config.model):  # mmdet's would leave them out
                types = [step.type for step in dataset.pipeline]
                assert {f'centernet_plugin.{name}' for name in CARRIERS} <= set(types)


@functools.cache
def networks():
    """One config of every different model; those of other schedules or sizes share theirs."""
    chosen = {}
    for path in SHIPPED:
        chosen.setdefault(json.dumps(Config.fromfile(path).model, sort_keys=True), path)
    return sorted(chosen.values())


# Hourglass-104 at a quarter of its width; its size is in test_published_recipe.
NARROW = {
    'backbone.stage_channels': (64, 64, 96, 96, 96, 128),
    'backbone.feat_channel': 64,
    'bbox_head.in_channels': 64,
}


@pytest.mark.parametrize('path', networks(), ids=lambda p: p.stem)
def test_builds_trains_and_predicts(path):
    torch.manual_seed(0)
    config = Config.fromfile(path)
    config.model.backbone.init_cfg = None  # no download
    if 'hourglass104' in path.stem:
        config.model = merged(config.model, NARROW)
    model = MODELS.build(config.model)
    model.init_weights()

    meta = dict(img_shape=(64, 64), ori_shape=(64, 64), scale_factor=(1.0, 1.0), cam2img=CAM2IMG)
    sample = DetDataSample(metainfo=meta)
    fields = branch_fields(config.model)
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor([[4.0, 8, 40, 50]]),
        labels=torch.tensor([config.model.bbox_head.num_classes - 1]),
        **fields,
    )
    sample.ignored_instances = InstanceData(
        bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.int64)
    )
    image = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
    other = torch.zeros(3, 64, 64, dtype=torch.uint8)
    batch = dict(inputs=[image, other], data_samples=[sample, sample.clone()])
    losses = model(**model.data_preprocessor(batch, training=True), mode='loss')
    assert len(losses) == 1 + len(model.bbox_head.branches)
    assert all(0 < loss < torch.inf for loss in losses.values()), losses
    sum(losses.values()).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert not without, 'every parameter learns, so plain DistributedDataParallel works'

    model.eval()
    with torch.no_grad():
        results = model.test_step(dict(inputs=[image], data_samples=[sample]))
    assert len(results[0].pred_instances) == 100
    found = results[0].pred_instances
    assert set(fields) | {'bboxes', 'scores', 'labels'} <= set(found.keys())
    assert ('locations' in found) == ('depths' in fields)
    assert all(value.isfinite().all() for value in found.values())
    for name, value in fields.items():
        assert found[name].shape[1:] == value.shape[1:]


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
POSE = dict(branches='pose', width=256)
PAPER |= {
    'centernet_dla34-dcnv2_8xb16-warp512-140e_coco-keypoints': dict(
        DLA | POSE, images=128, lr=5e-4, params=20_625_346 - UNUSED
    ),
    'centernet_dla34-dcnv2_8xb16-warp512-320e_coco-keypoints': dict(
        DLA | POSE, images=128, lr=5e-4, params=20_625_346 - UNUSED, drops=[270, 300]
    ),
    'centernet_dla34-dcnv2_2xb8-warp1280x384-70e_kitti': dict(
        DLA, images=16, lr=1.25e-4, params=20_615_323 - UNUSED, drops=[45, 60], branches='3d',
        crowd='gaussian', whole_sides=False,
    ),
}  # fmt: skip
for _epochs, _drop in ((50, 40), (150, 130)):
    PAPER[f'centernet_hourglass104_8xb3-warp512-{_epochs}e_coco-keypoints'] = dict(
        PAPER['centernet_hourglass104_8xb3-warp512-50e_coco'] | POSE,
        params=194_811_124,
        drops=[_drop],
    )
# By branch: channels, weight of the loss, and what else is published of it.
BRANCHES = {
    'pose': dict(
        size=(2, 0.1, dict(only_with='keypoints')),
        offset=(2, 1, dict(only_with='keypoints', flip_test='plain')),
        joints=(34, 1, dict(flip_test='average')),
        joint_heatmap=(17, 1, dict(flip_test='average', topk=100, min_score=0.1, reach=0.3)),
        joint_offset=(2, 1, dict(flip_test='plain')),
    ),
    '3d': dict(
        depth=(1, 1, dict(rows_per_image=50)),
        dimension=(3, 1, dict(rows_per_image=50)),
        orientation=(8, 1, dict(rows_per_image=50)),
        size=(2, 0.1, dict(rows_per_image=50, only_with=None)),
        offset=(2, 1, dict(rows_per_image=50, only_with=None)),
    ),
    None: dict(
        size=(2, 0.1, dict(rows_per_image=None, only_with=None)),
        offset=(2, 1, dict(rows_per_image=None, only_with=None, flip_test='plain')),
    ),
}
FLIP_PAIRS = [(i, i + 1) for i in range(1, 17, 2)]
STATISTICS = {  # per channel as cv2 reads them; the others are in the order of RGB, as published
    'coco': ((0.40789654, 0.44719302, 0.47026115), (0.28863828, 0.27408164, 0.27809835)),
    'voc0712': ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
STATISTICS |= {'coco-keypoints': STATISTICS['coco'], 'kitti': STATISTICS['voc0712']}
AUGMENTATION = {  # between loading and packing; KITTI's images are neither mirrored nor coloured
    'coco': ['RandomCropAffine', 'PaperColorJitter'],
    'coco-keypoints': ['RandomCropAffine', 'PaperColorJitter'],
    'voc0712': ['RandomCropAffine', 'PaperColorJitter'],
    'kitti': ['RandomShiftScaleAffine'],
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
        if data.startswith('coco'):
            assert transform(pipeline, 'KeepResPad').pad == paper['multiple'] - 1
        else:
            warp = transform(pipeline, 'FixResAffine')
            assert warp.size == input_size(name)
            assert warp.get('fit') == ('width' if data == 'kitti' else None)
    train = config.train_dataloader
    assert train.drop_last is True
    for dataset in datasets_of(train):
        assert [step.type.rpartition('.')[2] for step in dataset.pipeline] == [
            'LoadImageFromFile',
            'LoadAnnotations',
            *AUGMENTATION[data],
            'PackDetInputs',
        ]
        assert training_warp(dataset.pipeline).get('resample', 'warp') == 'warp'
    if data == 'coco':
        assert train.dataset.filter_cfg.filter_empty_gt is False
    elif data == 'coco-keypoints':
        assert train.dataset.filter_cfg.filter_empty_gt is True
        assert train.dataset.ann_file == 'annotations/person_keypoints_train2017.json'
        for evaluator in (config.val_evaluator, config.test_evaluator):
            assert [metric.type for metric in evaluator] == [
                'centernet_plugin.KeypointMetric',
                'mmdet.CocoMetric',
            ]
            (file,) = {metric.ann_file for metric in evaluator}
            assert file == 'data/coco/annotations/person_keypoints_val2017.json'
    elif data == 'kitti':
        assert 'filter_cfg' not in train.dataset
        warp = train.dataset.pipeline[2]
        defaults = inspect.signature(TRANSFORMS.get(warp.type)).parameters
        published = dict(prob=0.5, scale=0.4, shift=0.1)
        for option, value in published.items():
            assert warp.get(option, defaults[option].default) == value
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
    assert not {'loss_heatmap', 'radius_rule', 'min_overlap'} & set(head)
    assert head.get('whole_sides', True) is paper.get('whole_sides', True)
    assert config.model.train_cfg.crowd == paper.get('crowd', 'object')
    assert config.model.test_cfg.clip is False
    with torch.device('meta'):
        model = MODELS.build(config.model)
    assert sum(p.numel() for p in model.parameters()) == paper['params']
    branches = BRANCHES[paper.get('branches')]
    assert {branch.name for branch in model.bbox_head.branches} == set(branches)
    for branch in model.bbox_head.branches:
        channels, weight, settings = branches[branch.name]
        assert branch.channels == channels
        owner = branch if branch.loss_module is None else branch.loss_module
        assert owner.loss_weight == weight
        assert {name: getattr(branch, name) for name in settings} == settings
        assert getattr(branch, 'flip_pairs', FLIP_PAIRS) == FLIP_PAIRS


SCRATCH = ('_bccd', '_synthetic', '_kitti16', '_coco-person276', '_mmpose4')
# Where other backbones start, but for the hourglass.
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
    if path.stem.endswith(SCRATCH) or 'hourglass' in path.stem:
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


def test_the_page_s_joints_are_those_of_the_dataset():
    text = (CONFIGS.parent / 'docs/pose_and_3d.md').read_text()
    (code,) = re.findall(r'```python\n(joints = .*?)```', text, re.DOTALL)
    names = {}
    exec(code, names)
    head = CenterNetHead(num_classes=1, in_channels=4, branches=names['branches'])
    pairs = CocoPoseDataset.METAINFO['flip_pairs']
    jointed = [branch for branch in head.branches if hasattr(branch, 'flip_pairs')]
    assert jointed and all(
        {frozenset(p) for p in branch.flip_pairs} == {frozenset(p) for p in pairs}
        for branch in jointed
    )


@pytest.mark.parametrize('path', SHIPPED, ids=lambda p: p.stem)
def test_endures(path):
    """Resumes to the bit, keeps checkpoints on a full disk, stops at a loss that is no number."""
    hooks = Config.fromfile(path).default_hooks
    expected = dict(
        checkpoint='CheckpointHook', sampler_seed='SeedHook', invalid_loss='CheckInvalidLossHook'
    )
    assert {name: hooks[name].type for name in expected} == {
        name: f'centernet_plugin.{kind}' for name, kind in expected.items()
    }
