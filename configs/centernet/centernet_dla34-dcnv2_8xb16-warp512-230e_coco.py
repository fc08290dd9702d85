# The paper's 2x: drops after 180 and 210 of 230 epochs; 118287 / 128 = 924 iterations per epoch.
_base_ = './centernet_dla34-dcnv2_8xb16-warp512-140e_coco.py'
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, milestones=[180, 210], gamma=0.1)]
train_cfg = dict(max_epochs=230)
