_base_ = './centernet_r18-mmdet_8xb16-warp512-140e_coco.py'
model = dict(neck=dict(use_dcn=True))
