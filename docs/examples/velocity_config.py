_base_ = '../../configs/centernet/centernet_r18_1xb16-demo_synthetic.py'
boxes = [dict(type='centernet_plugin.SizeBranch'), dict(type='centernet_plugin.OffsetBranch')]
model = dict(bbox_head=dict(branches=[*boxes, dict(type='velocity.VelocityBranch')]))
train_dataloader = dict(dataset=dict(fields=dict(velocity=(2,))))
