# Hourglass-104's pose, 3x: a drop after 130 of 150 epochs.
_base_ = './centernet_hourglass104_8xb3-warp512-50e_coco-keypoints.py'
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, milestones=[130], gamma=0.1)]
train_cfg = dict(max_epochs=150)
