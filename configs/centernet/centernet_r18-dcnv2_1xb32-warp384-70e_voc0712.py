_base_ = [
    '../_base_/models/centernet_r18-dcnv2.py',
    '../_base_/datasets/voc0712_warp384.py',
    '../_base_/schedules/paper_70e.py',
    '../_base_/default_runtime.py',
]
model = dict(data_preprocessor=_base_.statistics, bbox_head=dict(num_classes=_base_.num_classes))
