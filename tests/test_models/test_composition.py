"""Our parts among mmdet's: every combination trains a step, with all its parameters, and predicts.

Networks are as narrow as their arguments allow; strides and numbers of maps are the usual ones.
"""

from pathlib import Path

import mmdet
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from small_networks import CSPNEXT, DLA, MOBILE, SIZE

PREPROCESSOR = dict(
    type='mmdet.DetDataPreprocessor', mean=[127.0] * 3, std=[64.0] * 3, pad_size_divisor=32
)


def detector(backbone, neck, bbox_head, kind='mmdet.SingleStageDetector', **settings):
    return dict(
        type=kind,
        data_preprocessor=PREPROCESSOR,
        backbone=backbone,
        neck=neck,
        bbox_head=bbox_head,
        **settings,
    )


def head(in_channels, **settings):
    head = dict(type='centernet_plugin.CenterNetHead', num_classes=3, in_channels=in_channels)
    return dict(head, feat_channels=8, **settings)


def deconv(in_channels):
    return dict(
        type='centernet_plugin.CenterNetDeconvNeck',
        in_channels=in_channels,
        deconv_channels=(16, 8, 8),
        use_dcn=True,
    )


def dla_up(*in_channels, **settings):
    return dict(type='centernet_plugin.DLAUp', in_channels=in_channels, **settings)


FPN = dict(type='mmdet.FPN', in_channels=[8, 16, 24, 32], out_channels=8, num_outs=4)
CONCAT = dict(merge='concat', use_dcn=False, final_ida=False)
HOURGLASS = dict(
    type='centernet_plugin.HourglassNet',
    downsample_times=2,
    stage_channels=(8, 8, 12),
    stage_blocks=(1, 1, 2),
    feat_channel=8,
)
SWIN = dict(
    type='mmdet.SwinTransformer',
    embed_dims=8,
    depths=(1, 1, 1, 1),
    num_heads=(1, 1, 2, 2),
    window_size=4,
)
# ConvNeXt comes with mmpretrain and is tested where that is; PVT v2 has its strides.
PVT = dict(
    type='mmdet.PyramidVisionTransformerV2',
    embed_dims=8,
    num_layers=[1, 1, 1, 1],
    num_heads=[1, 2, 5, 8],
)
CONVNEXT = dict(
    type='mmpretrain.ConvNeXt',
    arch=dict(depths=[1, 1, 1, 1], channels=[8, 16, 24, 32]),
    out_indices=(0, 1, 2, 3),
    gap_before_final_norm=False,
)
# Our neck after mmdet's backbones. CenterNetDeconvNeck reads the last map only, so a backbone with
# layers of its own for every output, such as Swin's norms, has to give that one alone.
UNDER_OUR_NECKS = {
    'dla-deconv': (dict(DLA, out_indices=(5,)), deconv(32), 8),
    'swin-dla_up': (SWIN, dla_up(8, 16, 32, 64), 8),
    'swin-deconv': (dict(SWIN, out_indices=(3,)), deconv(64), 8),
    'pvt-dla_up': (PVT, dla_up(8, 16, 40, 64), 8),
    'convnext-dla_up': (CONVNEXT, dla_up(8, 16, 24, 32), 8),
    'mobilenetv2-dla_up': (MOBILE, dla_up(8, 8, 24, 1280, **CONCAT), 8),
    'mobilenetv2-deconv': (dict(MOBILE, out_indices=(7,)), deconv(1280), 8),
    'cspnext-dla_up': (CSPNEXT, dla_up(16, 32, 64, 128, **CONCAT), 16),
    'cspnext-deconv': (dict(CSPNEXT, out_indices=(4,)), deconv(128), 8),
}


def step(config):
    """Builds; checks losses, gradients and detections; returns the model and these."""
    torch.manual_seed(0)
    model = MODELS.build(ConfigDict(config))
    model.init_weights()
    metainfo = dict(img_shape=SIZE, ori_shape=SIZE, scale_factor=(1.0, 1.0), border=[0, 64, 0, 96])
    samples = [DetDataSample(metainfo=metainfo) for _ in range(2)]
    for sample in samples:
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor([[4.0, 8, 40, 50], [50, 10, 90, 60]]), labels=torch.tensor([0, 2])
        )
    images = [torch.randint(0, 256, (3, *SIZE), dtype=torch.uint8) for _ in samples]
    batch = dict(inputs=images, data_samples=samples)
    losses, _ = model.parse_losses(model(**model.data_preprocessor(batch, True), mode='loss'))
    assert losses.isfinite() and losses > 0
    losses.backward()
    without = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not without

    model.eval()
    with torch.no_grad():
        results = model.test_step(batch)
    for result in results:
        found = result.pred_instances
        assert len(found) > 0 and found.bboxes.isfinite().all() and found.scores.isfinite().all()
    return model, [result.pred_instances for result in results]


@pytest.mark.parametrize('name', UNDER_OUR_NECKS)
def test_mmdet_backbones_under_our_necks_and_head(name):
    if name.startswith('convnext'):
        pytest.importorskip('mmpretrain.models', exc_type=ImportError)
    backbone, neck, channels = UNDER_OUR_NECKS[name]
    step(detector(backbone, neck, head(channels)))


@pytest.mark.parametrize('stacks', [1, 2, 3])
def test_hourglass_of_any_number_of_stacks(stacks):
    backbone = dict(HOURGLASS, num_stacks=stacks)
    bbox_head = head(8, num_stacks=stacks, init_rule='hourglass')
    model, _ = step(detector(backbone, None, bbox_head, kind='centernet_plugin.CenterNet'))
    assert len(model.bbox_head.heads) == stacks


def test_dla_under_mmdets_fpn_and_retina_head():
    """Its detections go through mmcv's NMS, for which ours stands in where it is not compiled."""
    retina = dict(
        type='mmdet.RetinaHead',
        num_classes=3,
        in_channels=8,
        stacked_convs=1,
        feat_channels=8,
        anchor_generator=dict(
            type='mmdet.AnchorGenerator',
            octave_base_scale=4,
            scales_per_octave=3,
            ratios=[0.5, 1.0, 2.0],
            strides=[8, 16, 32, 64, 128],
        ),
        bbox_coder=dict(type='mmdet.DeltaXYWHBBoxCoder'),
        loss_cls=dict(type='mmdet.FocalLoss', use_sigmoid=True),
        loss_bbox=dict(type='mmdet.L1Loss'),
    )
    neck = dict(
        type='mmdet.FPN',
        in_channels=[8, 16, 24, 32],
        out_channels=8,
        start_level=1,
        add_extra_convs='on_input',
        num_outs=5,
    )
    settings = dict(
        train_cfg=dict(
            assigner=dict(
                type='mmdet.MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0
            ),
            sampler=dict(type='mmdet.PseudoSampler'),
            allowed_border=-1,
            pos_weight=-1,
        ),
        test_cfg=dict(
            nms_pre=200,
            min_bbox_size=0,
            score_thr=0.0,
            nms=dict(type='nms', iou_threshold=0.5),
            max_per_img=50,
        ),
    )
    _, results = step(detector(DLA, neck, retina, kind='mmdet.RetinaNet', **settings))
    for found in results:
        assert (found.scores[:-1] >= found.scores[1:]).all()
        for label in found.labels.unique():
            boxes = found.bboxes[found.labels == label]
            overlaps = mmdet.structures.bbox.bbox_overlaps(boxes, boxes)
            assert overlaps.fill_diagonal_(0).max() <= 0.5


def test_mmdets_head_on_our_backbone_and_neck():
    theirs = dict(
        type='mmdet.CenterNetHead',
        num_classes=3,
        in_channels=8,
        feat_channels=8,
        loss_center_heatmap=dict(type='mmdet.GaussianFocalLoss'),
        loss_wh=dict(type='mmdet.L1Loss', loss_weight=0.1),
        loss_offset=dict(type='mmdet.L1Loss'),
    )
    test_cfg = dict(topk=100, local_maximum_kernel=3, max_per_img=100)
    neck = dla_up(8, 16, 24, 32)
    step(detector(DLA, neck, theirs, kind='mmdet.CenterNet', test_cfg=test_cfg))


def test_our_head_in_mmdets_stock_config():
    """Nothing but the head of the stock config is exchanged; it keeps its bare types."""
    stock = Path(mmdet.__file__).parent / '.mim/configs/centernet'
    config = Config.fromfile(stock / 'centernet_r18_8xb16-crop512-140e_coco.py')
    config.model.backbone.update(base_channels=8, init_cfg=None)
    config.model.neck.update(in_channels=64, num_deconv_filters=(16, 8, 8))
    config.model.bbox_head = head(8)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        step(config.model)


@pytest.mark.parametrize(
    ('config', 'sentence'),
    [
        (detector(DLA, FPN, head(8)), 'num_stacks=1 got 4 feature maps.*end a pyramid in one map'),
        (detector(SWIN, dla_up(8, 16, 32), head(8)), r'in_channels of the neck is \(8, 16, 32\)'),
        (detector(CSPNEXT, deconv(64), head(8)), 'has 128 channels, but in_channels .* is 64'),
        (detector(HOURGLASS, None, head(8)), 'num_stacks=1 got 2 feature maps'),
    ],
    ids=['pyramid-head', 'dla_up-maps', 'deconv-channels', 'stacks-head'],
)
def test_what_cannot_work_says_so(config, sentence):
    model = MODELS.build(config)
    with pytest.raises(ValueError, match=sentence):
        model(torch.zeros(1, 3, *SIZE), mode='tensor')
