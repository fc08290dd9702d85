# DLA-34 as modified in the paper (dla_34): merging by addition, deformable convolutions.
_base_ = './centernet_r18.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='centernet_plugin.DLANet',
        # ImageNet weights: timm's copy of the original file, whose own host is gone.
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://huggingface.co/timm/dla34.in1k/resolve/main/pytorch_model.bin',
        ),
    ),
    neck=dict(_delete_=True, type='centernet_plugin.DLAUp', in_channels=(64, 128, 256, 512)),
    bbox_head=dict(in_channels=64, feat_channels=256, init_rule='dla'),
)
