# Published for Pascal VOC: Adam at 1.25e-4 per 32 images, tenfold drops after 45 and 60 of 70 epochs.
# 16551 // 32 = 517 iterations per epoch.
_base_ = './paper_140e.py'
optim_wrapper = dict(optimizer=dict(lr=1.25e-4))
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, milestones=[45, 60], gamma=0.1)]
train_cfg = dict(max_epochs=70)
auto_scale_lr = dict(base_batch_size=32)
