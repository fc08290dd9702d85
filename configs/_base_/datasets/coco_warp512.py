# The published augmentation: one random warp to 512 x 512, then colours, applied on the device.
# Tested at the image's own resolution.
dataset_type = 'centernet_plugin.CocoDataset'
data_root = 'data/coco/'
meta_keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'border', 'flip')

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='centernet_plugin.LoadAnnotations', with_bbox=True),
    dict(type='centernet_plugin.RandomCropAffine', size=(512, 512)),
    dict(type='centernet_plugin.PaperColorJitter', on_device=True),
    dict(
        type='centernet_plugin.PackDetInputs', meta_keys=meta_keys[:-2] + ('flip', 'flip_direction')
    ),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='centernet_plugin.KeepResPad', pad=31),
    dict(type='centernet_plugin.LoadAnnotations', with_bbox=True),
    dict(type='centernet_plugin.PackDetInputs', meta_keys=meta_keys),
]
# --tta: the published multi-scale test. Each scale is also tested mirrored.
tta_model = dict(
    type='centernet_plugin.CenterNetTTA',
    flip=True,
    nms=dict(
        type='soft_nms', method='gaussian', sigma=0.5, iou_threshold=0.5, min_score=0.001, offset=1
    ),
)
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='centernet_plugin.KeepResPad', pad=31, scale=scale)
                for scale in (0.5, 0.75, 1.0, 1.25, 1.5)
            ],
            [dict(type='centernet_plugin.LoadAnnotations', with_bbox=True)],
            [dict(type='centernet_plugin.PackDetInputs', meta_keys=meta_keys)],
        ],
    ),
]

train_dataloader = dict(
    batch_size=16,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='annotations/instances_train2017.json',
        data_prefix=dict(img='train2017/'),
        # Published: images without objects are trained on as well.
        filter_cfg=dict(filter_empty_gt=False),
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
        ann_file='annotations/instances_val2017.json',
        data_prefix=dict(img='val2017/'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='mmdet.CocoMetric',
    ann_file=data_root + 'annotations/instances_val2017.json',
    metric='bbox',
)
test_evaluator = val_evaluator
