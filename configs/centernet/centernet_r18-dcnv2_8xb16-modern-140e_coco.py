# What others found since the paper: ImageNet's own RGB statistics, SGD with warm-up and gradient
# clipping, weight decay, an average of the weights, and the heat-map loss without dead gradient.
# 0.02 per 128 images; 118287 / 128 = 924 iterations per epoch, warm-up 1000.
_base_ = './centernet_r18-dcnv2_4xb28-warp512-140e_coco.py'
model = dict(
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True
    ),
    bbox_head=dict(loss_heatmap=dict(type='centernet_plugin.HeatmapFocalLoss', clamp=None)),
    train_cfg=dict(crowd='ignore'),
    test_cfg=dict(clip=True),
)
train_pipeline = _base_.train_pipeline
train_pipeline[2].resample = 'resize'  # boxes lie where the picture has them, in half the time
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='SGD', lr=0.02, momentum=0.9, weight_decay=1e-4),
    clip_grad=dict(max_norm=35, norm_type=2),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=1000),
    dict(type='MultiStepLR', by_epoch=True, milestones=[90, 120], gamma=0.1),
]
auto_scale_lr = dict(base_batch_size=128)
custom_hooks = [
    dict(type='centernet_plugin.SanityCheckHook'),
    dict(
        type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.0002, update_buffers=True, priority=49
    ),
]
