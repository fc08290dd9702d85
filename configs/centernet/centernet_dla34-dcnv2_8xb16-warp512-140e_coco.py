# The paper's 1x. Published on 8 GPUs with chunks of 9 + 7 x 17 = 128 images at 5e-4; equal chunks:
# 8 x 16.
_base_ = [
    '../_base_/models/centernet_dla34-dcnv2.py',
    '../_base_/datasets/coco_warp512.py',
    '../_base_/schedules/paper_140e.py',
    '../_base_/default_runtime.py',
]
