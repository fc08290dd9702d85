# 16 frames of KITTI learnt by heart on a CPU, at half the resolution, from scratch: whether depth,
# dimensions and orientation arrive. Trains and tests on the same frames; says nothing about others.
_base_ = './centernet_dla34-dcnv2_2xb8-warp1280x384-70e_kitti.py'
data_root = '{{$KITTI_ROOT:data/kitti16}}/'
max_epochs = 200
size = (640, 192)

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
        # Divided by the objects that there are, so that a few hundred steps do.
        branches=[dict(branch, rows_per_image=None) for branch in _base_.branches_3d],
    ),
)
train_pipeline = _base_.train_pipeline
train_pipeline[2] = dict(
    type='centernet_plugin.RandomShiftScaleAffine', size=size, prob=0.0
)  # by heart
test_pipeline = _base_.test_pipeline
test_pipeline[1].size = size
train_dataloader = dict(num_workers=1, dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(num_workers=1, dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(label_dir=data_root + 'training/label_2')
test_evaluator = val_evaluator

optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=1e-3, weight_decay=1e-2),
    clip_grad=dict(max_norm=35),
)
# 16 // 8 = 2 iterations per epoch.
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
train_cfg = dict(max_epochs=max_epochs, val_interval=50)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=50))
auto_scale_lr = dict(base_batch_size=8)
