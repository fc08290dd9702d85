# The generated set of `make demo`: 800 images, from scratch, minutes on two CPU cores.
_base_ = [
    '../_base_/models/centernet_r18.py',
    '../_base_/datasets/coco_warp512.py',
    '../_base_/default_runtime.py',
]

image_size = (160, 160)  # height, width
num_train, num_val = 800, 100
data_root = 'work_dirs/demo/data/'  # tools/demo.py makes the set and puts its own place here
metainfo = dict(classes=('disc', 'box', 'star'))
max_epochs = 18
batch_size = 16

model = dict(
    # Half the width, a quarter of the arithmetic. Objects of 16 pixels would be half a cell of the
    # usual stride 32, with which the heat-map had not taken off after 250 iterations; so the last
    # stage stays at 16.
    backbone=dict(base_channels=32, strides=(1, 2, 2, 1), init_cfg=None),
    neck=dict(in_channels=256, deconv_channels=(128, 64)),
    bbox_head=dict(
        num_classes=3,
        in_channels=64,
        feat_channels=32,
        loss_heatmap=dict(type='centernet_plugin.HeatmapFocalLoss', clamp=None),
    ),
    train_cfg=dict(crowd='ignore', neighbours=1),
    test_cfg=dict(clip=True),
)

meta_keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='centernet_plugin.LoadAnnotations', with_bbox=True),
    # The window stays near the middle, so that few objects fall off the input.
    dict(
        type='centernet_plugin.RandomCropAffine',
        size=image_size[::-1],
        scale_base='input',
        scales=(0.8, 0.9, 1.0, 1.1, 1.2),
        border=64,
        vertical_flip_prob=0.5,
    ),
    dict(type='centernet_plugin.PaperColorJitter', strength=0.2, on_device=True),
    dict(type='centernet_plugin.PackDetInputs', meta_keys=meta_keys),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='mmdet.Resize', scale=image_size[::-1], keep_ratio=True),
    dict(type='centernet_plugin.LoadAnnotations', with_bbox=True),
    dict(type='centernet_plugin.PackDetInputs', meta_keys=meta_keys),
]
tta_pipeline = [  # mirrored alone
    *test_pipeline[:-1],
    dict(type='TestTimeAug', transforms=[[test_pipeline[-1]]]),
]

data = dict(data_root=data_root, metainfo=metainfo)
# A process for loading would take its time from the network's.
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        ann_file='annotations/instances_train.json',
        data_prefix=dict(img='train/'),
        pipeline=train_pipeline,
        **data,
    ),
)
val_dataloader = dict(
    batch_size=10,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        ann_file='annotations/instances_val.json',
        data_prefix=dict(img='val/'),
        pipeline=test_pipeline,
        **data,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'annotations/instances_val.json', classwise=True)
test_evaluator = val_evaluator

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=1e-2),
    clip_grad=dict(max_norm=35),
)
# 800 // 16 = 50 iterations per epoch.
param_scheduler = [
    dict(
        type='OneCycleLR',
        eta_max=2e-3,
        pct_start=0.2,
        by_epoch=True,
        begin=0,
        end=max_epochs,
        total_steps=max_epochs,
        convert_to_iter_based=True,
    )
]
# No validation on the way: it would cost time, and choosing an epoch by it would flatter the result.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=10_000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(
    logger=dict(interval=25),
    checkpoint=dict(interval=1, max_keep_ckpts=1, save_best=None),
)
auto_scale_lr = dict(enable=False, base_batch_size=batch_size)
