"""Registries of the scope ``centernet_plugin``.

Each is a child of mmdet's registry of the same kind, so a component may carry its natural name
(``CenterNetHead``) although mmdet has one of that name, and is built by
``type='centernet_plugin.CenterNetHead'`` from anywhere that mmdet's registries are asked.
"""

from mmdet.registry import DATASETS as MMDET_DATASETS
from mmdet.registry import HOOKS as MMDET_HOOKS
from mmdet.registry import METRICS as MMDET_METRICS
from mmdet.registry import MODELS as MMDET_MODELS
from mmdet.registry import OPTIM_WRAPPERS as MMDET_OPTIM_WRAPPERS
from mmdet.registry import TRANSFORMS as MMDET_TRANSFORMS
from mmdet.registry import VISUALIZERS as MMDET_VISUALIZERS
from mmengine.registry import Registry

SCOPE = 'centernet_plugin'

MODELS = Registry('model', parent=MMDET_MODELS, scope=SCOPE, locations=['centernet_plugin.models'])
DATASETS = Registry(
    'dataset', parent=MMDET_DATASETS, scope=SCOPE, locations=['centernet_plugin.datasets']
)
TRANSFORMS = Registry(
    'transform', parent=MMDET_TRANSFORMS, scope=SCOPE, locations=['centernet_plugin.datasets']
)
HOOKS = Registry('hook', parent=MMDET_HOOKS, scope=SCOPE, locations=['centernet_plugin.engine'])
OPTIM_WRAPPERS = Registry(
    'optimizer_wrapper',
    parent=MMDET_OPTIM_WRAPPERS,
    scope=SCOPE,
    locations=['centernet_plugin.engine'],
)
METRICS = Registry(
    'metric', parent=MMDET_METRICS, scope=SCOPE, locations=['centernet_plugin.evaluation']
)
VISUALIZERS = Registry(
    'visualizer',
    parent=MMDET_VISUALIZERS,
    scope=SCOPE,
    # Not the package, whose drawing works without mmdet's.
    locations=['centernet_plugin.visualization.visualizer'],
)
