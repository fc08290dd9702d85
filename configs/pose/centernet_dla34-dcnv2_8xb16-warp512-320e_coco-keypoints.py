# The paper's pose, 3x: drops after 270 and 300 of 320 epochs.
_base_ = './centernet_dla34-dcnv2_8xb16-warp512-140e_coco-keypoints.py'
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, milestones=[270, 300], gamma=0.1)]
train_cfg = dict(max_epochs=320)
