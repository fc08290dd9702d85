# The original DLA's neck (dlav0_34): merging by concatenation, no deformable convolution.
# Neither weights nor a schedule are published for it.
_base_ = './centernet_dla34-dcnv2_8xb16-warp512-140e_coco.py'
model = dict(
    neck=dict(merge='concat', use_dcn=False, final_ida=False),
    bbox_head=dict(init_rule='resdcn'),  # dlav0_34 has the same
)
