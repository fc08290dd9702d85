# Published on 4 GPUs with 8 images each, at the same 1.25e-4.
_base_ = './centernet_r18-dcnv2_1xb32-warp512-70e_voc0712.py'
model = dict(
    backbone=dict(depth=101, init_cfg=dict(checkpoint='torchvision://resnet101')),
    neck=dict(in_channels=2048),
)
