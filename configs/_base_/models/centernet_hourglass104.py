# Hourglass-104 as published (hourglass): two stacks, both supervised, the second tested.
_base_ = './centernet_r18.py'
model = dict(
    data_preprocessor=dict(pad_size_divisor=128),  # stride 4, halved five times
    backbone=dict(_delete_=True, type='centernet_plugin.HourglassNet', num_stacks=2),
    neck=None,
    bbox_head=dict(in_channels=256, feat_channels=256, num_stacks=2, init_rule='hourglass'),
)
