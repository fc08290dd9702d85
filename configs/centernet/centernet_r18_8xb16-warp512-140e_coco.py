_base_ = [
    '../_base_/models/centernet_r18.py',
    '../_base_/datasets/coco_warp512.py',
    '../_base_/schedules/paper_140e.py',
    '../_base_/default_runtime.py',
]
