# KITTI's 3D objects in its own folders. Published: the image's width lands on 1280 pixels, half of
# the images are shifted and scaled, nothing is mirrored, colours stay.
dataset_type = 'centernet_plugin.KittiDataset'
data_root = 'data/kitti/'
meta_keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'border', 'cam2img')

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='centernet_plugin.LoadAnnotations', with_bbox=True),
    dict(type='centernet_plugin.RandomShiftScaleAffine', size=(1280, 384)),
    dict(type='centernet_plugin.PackDetInputs', meta_keys=meta_keys),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='centernet_plugin.FixResAffine', size=(1280, 384), fit='width'),
    dict(type='centernet_plugin.LoadAnnotations', with_bbox=True),
    dict(type='centernet_plugin.PackDetInputs', meta_keys=meta_keys),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='ImageSets/train.txt',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='ImageSets/val.txt',
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='centernet_plugin.KittiMetric', label_dir=data_root + 'training/label_2')
test_evaluator = val_evaluator
