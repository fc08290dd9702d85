# Types without a prefix live in mmengine's or mmcv's root registry.
default_scope = 'mmdet'
custom_imports = dict(imports=['centernet_plugin'], allow_failed_imports=False)

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='centernet_plugin.CheckpointHook', interval=1, max_keep_ckpts=3, save_best='auto'
    ),
    sampler_seed=dict(type='centernet_plugin.SeedHook'),
    invalid_loss=dict(type='centernet_plugin.CheckInvalidLossHook'),
    visualization=dict(type='mmdet.DetVisualizationHook'),
)
custom_hooks = [dict(type='centernet_plugin.SanityCheckHook')]
env_cfg = dict(
    cudnn_benchmark=True,  # training inputs have one size
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
visualizer = dict(
    type='centernet_plugin.CenterNetVisualizer',
    vis_backends=[dict(type='LocalVisBackend')],
    name='visualizer',
)
log_processor = dict(type='LogProcessor', window_size=50, by_epoch=True)
log_level = 'INFO'
load_from = None
resume = False
