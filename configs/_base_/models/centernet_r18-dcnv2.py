# ResNet-18 with deformable up-convolutions, as published (resdcn_18): 256-128-64.
_base_ = './centernet_r18.py'
model = dict(
    neck=dict(deconv_channels=(256, 128, 64), use_dcn=True),
    bbox_head=dict(in_channels=64, init_rule='resdcn'),
)
