# Persons of 276 permissively licensed photographs of COCO (220 to train, 56 to validate), from
# scratch on a CPU: a check that pose trains, not a model to use.
_base_ = './centernet_dla34-dcnv2_8xb16-warp512-140e_coco-keypoints.py'
data_root = '{{$COCO_PERSON_ROOT:data/coco_person}}/'
max_epochs = 60

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmdet.ResNet',
        depth=18,
        base_channels=32,
        strides=(1, 2, 2, 1),  # a last stage at stride 16
        norm_eval=False,
    ),
    neck=dict(
        _delete_=True,
        type='centernet_plugin.CenterNetDeconvNeck',
        in_channels=256,
        deconv_channels=(128, 64),
    ),
    bbox_head=dict(
        in_channels=64,
        feat_channels=64,
        loss_heatmap=dict(type='centernet_plugin.HeatmapFocalLoss', clamp=None),
    ),
)
train_pipeline = _base_.train_pipeline
train_pipeline[2].size = (256, 256)
test_pipeline = _base_.test_pipeline
test_pipeline[1] = dict(type='centernet_plugin.FixResAffine', size=(256, 256))
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1].transforms[0] = [
    dict(type='centernet_plugin.FixResAffine', size=(side, side)) for side in (192, 256, 320)
]
data = dict(data_root=data_root, data_prefix=dict(img='images/'))
train_dataloader = dict(
    batch_size=10,
    num_workers=1,
    dataset=dict(ann_file='person_keypoints_train.json', pipeline=train_pipeline, **data),
)
val_dataloader = dict(
    num_workers=1,
    dataset=dict(ann_file='person_keypoints_val.json', pipeline=test_pipeline, **data),
)
test_dataloader = val_dataloader
val_evaluator = [
    dict(evaluator, ann_file=data_root + 'person_keypoints_val.json')
    for evaluator in _base_.val_evaluator
]
test_evaluator = val_evaluator

optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=1e-3, weight_decay=1e-2),
    clip_grad=dict(max_norm=35),
)
# 220 // 10 = 22 iterations per epoch.
param_scheduler = [
    dict(
        type='OneCycleLR',
        eta_max=1e-3,
        pct_start=0.2,
        by_epoch=True,
        begin=0,
        end=max_epochs,
        total_steps=max_epochs,
        convert_to_iter_based=True,
    )
]
train_cfg = dict(max_epochs=max_epochs, val_interval=20)
default_hooks = dict(checkpoint=dict(interval=10))
auto_scale_lr = dict(base_batch_size=10)
