# Published on 4 GPUs with chunks of 18 + 3 x 32 = 114 images at 5e-4; equal chunks: 4 x 28 = 112.
_base_ = [
    '../_base_/models/centernet_r18-dcnv2.py',
    '../_base_/datasets/coco_warp512.py',
    '../_base_/schedules/paper_140e.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(batch_size=28)
auto_scale_lr = dict(base_batch_size=112)
