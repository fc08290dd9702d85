# Pascal VOC as published: trained on trainval of 2007 and 2012, tested on test of 2007, both at one
# fixed size, 384 x 384 (512 x 512: voc0712_warp512.py).
voc = dict(type='mmdet.VOCDataset', data_root='data/VOCdevkit/')
num_classes = 20
# ImageNet's statistics in RGB order on BGR pixels: a slip that the
# published VOC models have learnt to live with.
statistics = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
meta_keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'border', 'flip')

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='centernet_plugin.LoadAnnotations', with_bbox=True),
    dict(type='centernet_plugin.RandomCropAffine', size=(384, 384)),
    dict(type='centernet_plugin.PaperColorJitter', on_device=True),
    dict(
        type='centernet_plugin.PackDetInputs', meta_keys=meta_keys[:-2] + ('flip', 'flip_direction')
    ),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='centernet_plugin.FixResAffine', size=(384, 384)),
    dict(type='centernet_plugin.LoadAnnotations', with_bbox=True),
    dict(type='centernet_plugin.PackDetInputs', meta_keys=meta_keys),
]
# --tta: mirrored, as the published figures are.
tta_model = dict(type='centernet_plugin.CenterNetTTA', flip=True)
tta_pipeline = [
    *test_pipeline[:-1],
    dict(type='TestTimeAug', transforms=[[test_pipeline[-1]]]),
]

train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='mmdet.ConcatDataset',
        ignore_keys=['dataset_type'],  # the year, which differs
        # `difficult` objects come marked as ignored. The published sampler does not look at that;
        # crowd='object' of the models trains on them likewise. The evaluation leaves them out.
        datasets=[
            dict(
                ann_file='VOC2007/ImageSets/Main/trainval.txt',
                data_prefix=dict(sub_data_root='VOC2007/'),
                pipeline=train_pipeline,
                **voc,
            ),
            dict(
                ann_file='VOC2012/ImageSets/Main/trainval.txt',
                data_prefix=dict(sub_data_root='VOC2012/'),
                pipeline=train_pipeline,
                **voc,
            ),
        ],
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        ann_file='VOC2007/ImageSets/Main/test.txt',
        data_prefix=dict(sub_data_root='VOC2007/'),
        test_mode=True,
        pipeline=test_pipeline,
        **voc,
    ),
)
test_dataloader = val_dataloader
# 11 points and IoU of boxes that end one pixel further: the metric of 2007.
val_evaluator = dict(type='mmdet.VOCMetric', metric='mAP', eval_mode='11points')
test_evaluator = val_evaluator
