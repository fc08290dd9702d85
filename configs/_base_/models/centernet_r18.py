# ResNet-18 with plain up-convolutions, as published (res_18): 256-256-256.
model = dict(
    type='centernet_plugin.CenterNet',
    data_preprocessor=dict(
        type='centernet_plugin.DataPreprocessor',
        # COCO's statistics in BGR, which the published models see.
        mean=[104.01361777, 114.03422265, 119.91659325],
        std=[73.6027614, 69.8908182, 70.91507925],
        bgr_to_rgb=False,
        pad_size_divisor=32,
    ),
    backbone=dict(
        type='mmdet.ResNet',
        depth=18,
        norm_eval=False,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet18'),
    ),
    neck=dict(
        type='centernet_plugin.CenterNetDeconvNeck',
        in_channels=512,
        deconv_channels=(256, 256, 256),
    ),
    bbox_head=dict(
        type='centernet_plugin.CenterNetHead', num_classes=80, in_channels=256, init_rule='res'
    ),
    train_cfg=dict(crowd='object'),
    test_cfg=dict(max_per_img=100, clip=False),
)
