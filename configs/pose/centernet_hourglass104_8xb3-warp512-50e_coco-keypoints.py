# Hourglass-104's pose, 1x: 64115 / 24 = 2671 iterations per epoch, a drop after 40 of 50. Published
# to start from the detector (load_from=...).
_base_ = [
    '../_base_/models/centernet_hourglass104.py',
    '../_base_/datasets/coco-keypoints_warp512.py',
    '../_base_/branches/coco_pose.py',
    '../_base_/schedules/paper_140e.py',
    '../_base_/default_runtime.py',
]
model = dict(bbox_head=dict(num_classes=1, branches=_base_.pose_branches))
test_pipeline = _base_.test_pipeline
test_pipeline[1].pad = 127  # the next multiple of 128
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1].transforms[0] = [dict(view, pad=127) for view in tta_pipeline[1].transforms[0]]
train_dataloader = dict(batch_size=3)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=2.5e-4))
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, milestones=[40], gamma=0.1)]
train_cfg = dict(max_epochs=50)
auto_scale_lr = dict(base_batch_size=24)
