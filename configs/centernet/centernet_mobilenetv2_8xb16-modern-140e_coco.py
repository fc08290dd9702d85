# A light one: MobileNetV2 and the narrow, plain form of DLA's neck, under the modern recipe.
_base_ = './centernet_r18-dcnv2_8xb16-modern-140e_coco.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmdet.MobileNetV2',
        # Strides 4, 8, 16, 32. The last is 7, not 6: mmdet makes it in any case, and what is made
        # and not used cannot be trained in several processes.
        out_indices=(1, 2, 4, 7),
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://mmdet/mobilenet_v2'),
    ),
    neck=dict(
        _delete_=True,
        type='centernet_plugin.DLAUp',
        in_channels=(24, 32, 96, 1280),
        merge='concat',
        use_dcn=False,
        final_ida=False,
    ),
    bbox_head=dict(in_channels=24),
)
