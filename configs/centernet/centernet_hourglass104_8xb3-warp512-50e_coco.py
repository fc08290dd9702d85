# Published on 5 GPUs with chunks of 4 + 4 x 5 = 24 images at 2.5e-4; equal chunks: 8 x 3.
# 50 epochs of 118287 / 24 = 4928 iterations, a tenfold drop after 40.
#
# Published with ExtremeNet's weights to start from; without them, the authors had 38.9 AP after 100
# epochs instead of 40.3 after 50. To start from them as well:
#   python tools/model_converters/official_to_plugin.py ExtremeNet_500000.pkl extremenet.pth
#   python tools/train.py CONFIG --cfg-options load_from=extremenet.pth
_base_ = [
    '../_base_/models/centernet_hourglass104.py',
    '../_base_/datasets/coco_warp512.py',
    '../_base_/schedules/paper_140e.py',
    '../_base_/default_runtime.py',
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='centernet_plugin.KeepResPad', pad=127),  # the next multiple of 128
    dict(type='centernet_plugin.LoadAnnotations', with_bbox=True),
    dict(type='centernet_plugin.PackDetInputs', meta_keys=_base_.meta_keys),
]
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1].transforms[0] = [dict(view, pad=127) for view in tta_pipeline[1].transforms[0]]
train_dataloader = dict(batch_size=3)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=2.5e-4))
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, milestones=[40], gamma=0.1)]
train_cfg = dict(max_epochs=50)
auto_scale_lr = dict(base_batch_size=24)
