# 8 x 12 = 96 images; 1.25e-4 per 32 makes 3.75e-4.
_base_ = './centernet_r18_8xb16-warp512-140e_coco.py'
model = dict(
    backbone=dict(depth=101, init_cfg=dict(checkpoint='torchvision://resnet101')),
    neck=dict(in_channels=2048),
)
train_dataloader = dict(batch_size=12)
optim_wrapper = dict(optimizer=dict(lr=3.75e-4))
auto_scale_lr = dict(base_batch_size=96)
