# Published on 2 GPUs with 16 images each, at the same 1.25e-4.
_base_ = [
    '../_base_/models/centernet_dla34-dcnv2.py',
    '../_base_/datasets/voc0712_warp512.py',
    '../_base_/schedules/paper_70e.py',
    '../_base_/default_runtime.py',
]
model = dict(data_preprocessor=_base_.statistics, bbox_head=dict(num_classes=_base_.num_classes))
