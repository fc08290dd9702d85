# Persons of COCO with 17 joints: the augmentation of detection, joints carried along.
_base_ = './coco_warp512.py'
dataset_type = 'centernet_plugin.CocoPoseDataset'
train_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        ann_file='annotations/person_keypoints_train2017.json',
        # Published: images with at least one annotation, 64115 of them.
        filter_cfg=dict(filter_empty_gt=True),
    )
)
val_dataloader = dict(
    dataset=dict(type=dataset_type, ann_file='annotations/person_keypoints_val2017.json')
)
test_dataloader = val_dataloader
val_evaluator = [
    dict(
        type='centernet_plugin.KeypointMetric',
        ann_file=_base_.data_root + 'annotations/person_keypoints_val2017.json',
    ),
    dict(
        type='mmdet.CocoMetric',
        ann_file=_base_.data_root + 'annotations/person_keypoints_val2017.json',
        metric='bbox',
    ),
]
test_evaluator = val_evaluator
