# What is read at an object's centre: 2D box, depth, dimensions in metres, observation angle.
# Published: losses are divided by 50 rows per image, however many objects there are.
branches_3d = [
    dict(type='centernet_plugin.DepthBranch', rows_per_image=50),
    dict(type='centernet_plugin.DimensionBranch', rows_per_image=50),
    dict(type='centernet_plugin.OrientationBranch', rows_per_image=50),
    dict(type='centernet_plugin.SizeBranch', rows_per_image=50),
    dict(type='centernet_plugin.OffsetBranch', rows_per_image=50),
]
