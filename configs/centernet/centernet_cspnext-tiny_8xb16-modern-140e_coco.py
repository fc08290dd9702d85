# A light one: the backbone of RTMDet-tiny and the plain form of DLA's neck, under the modern recipe.
_base_ = './centernet_r18-dcnv2_8xb16-modern-140e_coco.py'
model = dict(
    data_preprocessor=dict(  # those of the ImageNet weights: BGR
        mean=[103.53, 116.28, 123.675], std=[57.375, 57.12, 58.395], bgr_to_rgb=False
    ),
    backbone=dict(
        _delete_=True,
        type='mmdet.CSPNeXt',
        deepen_factor=0.167,
        widen_factor=0.375,
        out_indices=(1, 2, 3, 4),  # strides 4, 8, 16, 32
        channel_attention=True,
        norm_cfg=dict(type='BN'),
        act_cfg=dict(type='SiLU', inplace=True),
        init_cfg=dict(
            type='Pretrained',
            prefix='backbone.',
            checkpoint='https://download.openmmlab.com/mmdetection/v3.0/rtmdet/cspnext_rsb_pretrain/cspnext-tiny_imagenet_600e.pth',
        ),
    ),
    neck=dict(
        _delete_=True,
        type='centernet_plugin.DLAUp',
        in_channels=(48, 96, 192, 384),
        merge='concat',
        use_dcn=False,
        final_ida=False,
    ),
    bbox_head=dict(in_channels=48),
)
