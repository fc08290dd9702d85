# What is read at a person's centre: box, COCO's 17 joints, and the joints' own heat-map.
# Published: persons without joints are centres, but nothing else is learnt from them.
flip_pairs = [(1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)]
pose_branches = [
    dict(type='centernet_plugin.SizeBranch', only_with='keypoints'),
    dict(type='centernet_plugin.OffsetBranch', only_with='keypoints'),
    dict(
        type='centernet_plugin.JointsBranch',
        num_joints=17,
        flip_pairs=flip_pairs,
    ),
    dict(type='centernet_plugin.JointHeatmapBranch', num_joints=17, flip_pairs=flip_pairs),
    dict(type='centernet_plugin.JointOffsetBranch'),
]
