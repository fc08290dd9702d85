# As voc0712_warp384.py, at 512 x 512.
_base_ = './voc0712_warp384.py'
train_pipeline = _base_.train_pipeline
train_pipeline[2].size = (512, 512)
test_pipeline = _base_.test_pipeline
test_pipeline[1].size = (512, 512)
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1].size = (512, 512)

train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(year, pipeline=train_pipeline) for year in _base_.train_dataloader.dataset.datasets
        ]
    )
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
