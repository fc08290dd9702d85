# Four photographs with 12 annotated persons learnt by heart on a CPU: whether joints arrive. Trains
# and tests on the same images; says nothing about others. The images are those of mmpose's
# repository in tests/data/coco.
_base_ = './centernet_r18_1xb10-warp256-60e_coco-person276.py'
data_root = '{{$MMPOSE_COCO4:data/mmpose_coco4}}/'
max_epochs = 300
side = 256

train_pipeline = _base_.train_pipeline
train_pipeline[2:4] = [dict(type='centernet_plugin.FixResAffine', size=(side, side))]  # by heart
test_pipeline = _base_.test_pipeline
test_pipeline[1].size = (side, side)
data = dict(data_root=data_root, ann_file='test_coco.json', data_prefix=dict(img=''))
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=train_pipeline, **data))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline, **data))
test_dataloader = val_dataloader
val_evaluator = [
    dict(evaluator, ann_file=data_root + 'test_coco.json') for evaluator in _base_.val_evaluator
]
test_evaluator = val_evaluator
param_scheduler = _base_.param_scheduler
param_scheduler[0].update(end=max_epochs, total_steps=max_epochs)  # one iteration per epoch
train_cfg = dict(max_epochs=max_epochs, val_interval=100)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=100))
auto_scale_lr = dict(base_batch_size=4)
