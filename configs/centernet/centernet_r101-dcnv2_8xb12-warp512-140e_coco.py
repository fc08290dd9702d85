# Published on 8 GPUs with chunks of 5 + 7 x 13 = 96 images at 3.75e-4; equal chunks: 8 x 12.
_base_ = './centernet_r101_8xb12-warp512-140e_coco.py'
model = dict(
    neck=dict(deconv_channels=(256, 128, 64), use_dcn=True),
    bbox_head=dict(in_channels=64, init_rule='resdcn'),
)
