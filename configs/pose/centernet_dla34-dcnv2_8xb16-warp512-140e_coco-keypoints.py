# The paper's pose, 1x: 64115 / 128 = 500 iterations per epoch. Published to start from the detector
# of 2x; its authors later saw better results from ImageNet's backbone, as here. To start from it:
#   python tools/model_converters/official_to_plugin.py ctdet_coco_dla_2x.pth dla34.pth
#   python tools/train.py CONFIG --cfg-options load_from=dla34.pth
_base_ = [
    '../_base_/models/centernet_dla34-dcnv2.py',
    '../_base_/datasets/coco-keypoints_warp512.py',
    '../_base_/branches/coco_pose.py',
    '../_base_/schedules/paper_140e.py',
    '../_base_/default_runtime.py',
]
model = dict(bbox_head=dict(num_classes=1, branches=_base_.pose_branches))
