# The network, statistics and gaussians of MMDetection's own CenterNet-ResNet-18, for its released
# checkpoints: converted by tools/model_converters/official_to_plugin.py they detect here what they
# detect there (KeepResPad pads as mmdet's test pipeline does). The schedule is the paper's.
_base_ = './centernet_r18_8xb16-warp512-140e_coco.py'
model = dict(
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True
    ),
    neck=dict(deconv_channels=(256, 128, 64), layout='mmdet'),
    bbox_head=dict(in_channels=64, init_rule='resdcn', radius_rule='corrected', min_overlap=0.3),
)
