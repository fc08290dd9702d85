# The paper's 3D detection. Published on 2 GPUs with chunks of 7 + 9 = 16 images at 1.25e-4; drops
# after 45 and 60 of 70 epochs. The published splits are 3DOP's (3712 training frames) and SubCNN's
# (3682); give the one that you use as ann_file. No test-time augmentation is published, nor here.
_base_ = [
    '../_base_/models/centernet_dla34-dcnv2.py',
    '../_base_/datasets/kitti_warp1280x384.py',
    '../_base_/branches/kitti_3d.py',
    '../_base_/schedules/paper_70e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    # Published: ImageNet's statistics of RGB on pixels in BGR.
    data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
    bbox_head=dict(num_classes=3, branches=_base_.branches_3d, whole_sides=False),
    train_cfg=dict(crowd='gaussian'),
)
auto_scale_lr = dict(base_batch_size=16)
