"""Which shipped config a network belongs to."""

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmdet.datasets import VOCDataset
from mmengine.config import Config, ConfigDict

from ..errors import UserInputError
from ..registry import MODELS
from .recognise import Description

FOLDERS = dict(ctdet='centernet', exdet='centernet', multi_pose='pose', ddd='kitti')
CONFIGS = {  # network: config of every depth that has one; the nearest serves the other depths
    'res': {
        18: 'centernet_r18_8xb16-warp512-140e_coco',
        101: 'centernet_r101_8xb12-warp512-140e_coco',
    },
    'resdcn': {
        18: 'centernet_r18-dcnv2_4xb28-warp512-140e_coco',
        101: 'centernet_r101-dcnv2_8xb12-warp512-140e_coco',
    },
    'dla': {34: 'centernet_dla34-dcnv2_8xb16-warp512-140e_coco'},
    'dlav0': {34: 'centernet_dla34_8xb16-warp512-140e_coco'},
    'hourglass': {None: 'centernet_hourglass104_8xb3-warp512-50e_coco'},
    'mmdet_res': {18: 'centernet_r18-mmdet_8xb16-warp512-140e_coco'},
    'mmdet_resdcn': {18: 'centernet_r18-dcnv2-mmdet_8xb16-warp512-140e_coco'},
}
TASK_CONFIGS = {  # of pose and 3D, by network; the first lends other networks all but its own
    'multi_pose': {
        'dla': 'centernet_dla34-dcnv2_8xb16-warp512-140e_coco-keypoints',
        'hourglass': 'centernet_hourglass104_8xb3-warp512-50e_coco-keypoints',
    },
    'ddd': {'dla': 'centernet_dla34-dcnv2_2xb8-warp1280x384-70e_kitti'},
}
LONGER = {  # the same network, trained longer
    'centernet_dla34-dcnv2_8xb16-warp512-140e_coco': (
        'centernet_dla34-dcnv2_8xb16-warp512-230e_coco'
    ),
    'centernet_dla34-dcnv2_8xb16-warp512-140e_coco-keypoints': (
        'centernet_dla34-dcnv2_8xb16-warp512-320e_coco-keypoints'
    ),
    'centernet_hourglass104_8xb3-warp512-50e_coco-keypoints': (
        'centernet_hourglass104_8xb3-warp512-150e_coco-keypoints'
    ),
}
VOC = {  # for 20 classes, by input size
    'centernet_r18-dcnv2_4xb28-warp512-140e_coco': 'centernet_r18-dcnv2_1xb32-warp{}-70e_voc0712',
    'centernet_r101-dcnv2_8xb12-warp512-140e_coco': 'centernet_r101-dcnv2_1xb32-warp{}-70e_voc0712',
    'centernet_dla34-dcnv2_8xb16-warp512-140e_coco': (
        'centernet_dla34-dcnv2_1xb32-warp{}-70e_voc0712'
    ),
}
SHALLOW = 34  # ResNets up to here end in 512 channels, deeper ones in 2048
DETECTION = [  # the head's own branches
    dict(type='centernet_plugin.SizeBranch'),
    dict(type='centernet_plugin.OffsetBranch'),
]


@dataclass
class Choice:
    """A config for a checkpoint.

    Attributes:
        path: the config file.
        options: settings that have to replace those in it, by dotted name.
        config: both together.
        others: names of configs of the same network that fit as well.
    """

    path: Path
    options: dict[str, Any]
    config: Config
    others: list[str] = field(default_factory=list)


def config_folder() -> Path:
    """The folder of the shipped configs: in the installed package, or in the checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / '.mim' / 'configs'
    return installed if installed.is_dir() else package.parent / 'configs'


def choose(
    description: Description,
    folder: Path,
    epoch: int | None = None,
    name: str = '',
    classes: tuple[str, ...] = VOCDataset.METAINFO['classes'],
) -> Choice:
    """The shipped config of the network, with what has to be changed in it.

    Args:
        description: of anything but a backbone alone.
        folder: the folder ``configs``.
        epoch: epochs of training, to tell schedules apart.
        name: of the file. The published ones for VOC say the input size (``ctdet_pascal_dla_384``),
            which cannot be told from weights; 512 is taken where it says nothing.
        classes: names of the classes; 20 others than VOC's do not make it VOC.

    Raises:
        UserInputError: the config is not in ``folder``.
    """
    task, others = description.task, []
    if task in TASK_CONFIGS:
        of_task = TASK_CONFIGS[task]
        config = of_task.get(description.network, next(iter(of_task.values())))
    else:
        config = _of_network(description)
    is_voc = description.num_classes == 20 and tuple(classes) == VOCDataset.METAINFO['classes']
    if is_voc and config in VOC:
        sizes = (384, 512) if '384' in name else (512, 384)
        config, *others = (VOC[config].format(size) for size in sizes)
    elif config in LONGER and task != 'exdet':
        others = [LONGER[config]]
        if epoch is not None and epoch > _read(folder, task, config)[1].train_cfg.max_epochs:
            config, others = LONGER[config], [config]
    path, config = _read(folder, task, config)
    if task in TASK_CONFIGS and description.network not in TASK_CONFIGS[task]:
        network = _read(folder, 'ctdet', _of_network(description))[1]
        network.merge_from_dict(_network_options(description, network.model))
        options = _network_of(network.model, config.model)
    else:
        options = _network_options(description, config.model)
    config.merge_from_dict(copy.deepcopy(options))  # which takes `_delete_` out of them
    of_head = _head_options(description, config.model.bbox_head)
    config.merge_from_dict(of_head)
    return Choice(path, options | of_head, config, others)


def _of_network(description: Description) -> str:
    """Name of the detection config of the network."""
    depths, depth = CONFIGS[description.network], description.depth
    if depth not in depths:
        depth = max(depths) if depth > SHALLOW else min(depths)
    return depths[depth]


def _read(folder: Path, task: str, name: str) -> tuple[Path, Config]:
    path = folder / FOLDERS[task] / f'{name}.py'
    if not path.is_file():
        raise UserInputError(f"the config '{path}' of this network does not exist")
    return path, Config.fromfile(path)


def _network_of(source: ConfigDict, model: ConfigDict) -> dict[str, Any]:
    """Options that give ``model`` the network of ``source``, but not its branches."""
    options, multiple = {}, source.data_preprocessor.pad_size_divisor
    if multiple != model.data_preprocessor.pad_size_divisor:
        options['model.data_preprocessor.pad_size_divisor'] = multiple
    for part in ('backbone', 'neck'):
        settings = source[part] and dict(_delete_=True, **source[part].to_dict())
        options[f'model.{part}'] = settings
    for name in ('in_channels', 'num_stacks', 'init_rule'):
        if name in source.bbox_head and source.bbox_head[name] != model.bbox_head.get(name):
            options[f'model.bbox_head.{name}'] = source.bbox_head[name]
    return options


def _network_options(description: Description, model: ConfigDict) -> dict[str, Any]:
    """What of the backbone and neck of ``model``, a shipped config's, the checkpoint has not."""
    options = {}

    def want(part: str, name: str, value, default=None) -> None:
        if model[part].get(name, default) != value:
            options[f'model.{part}.{name}'] = value

    if model.backbone.type == 'mmdet.ResNet':
        want('backbone', 'depth', description.depth)
        if 'model.backbone.depth' in options:
            init = f'torchvision://resnet{description.depth}'
            options['model.backbone.init_cfg.checkpoint'] = init
        want('neck', 'in_channels', 512 if description.depth <= SHALLOW else 2048)
    if description.network == 'hourglass':
        want('backbone', 'num_stacks', description.num_stacks, 2)
        want('bbox_head', 'num_stacks', description.num_stacks, 1)
    return options


def _head_options(description: Description, head: ConfigDict) -> dict[str, Any]:
    """What of ``head``, a shipped config's, is otherwise in the checkpoint."""
    if not description.heads:
        return {}
    options = {}
    if head.num_classes != description.num_classes:
        options['model.bbox_head.num_classes'] = description.num_classes
    if head.get('feat_channels', 64) != description.feat_channels:
        options['model.bbox_head.feat_channels'] = description.feat_channels
    given = [dict(branch) for branch in head.get('branches') or DETECTION]
    branches = [_branch(branch, description.heads) for branch in given]
    branches = [branch for branch in branches if branch]
    if branches != given:
        options['model.bbox_head.branches'] = branches
    return options


def _branch(settings: dict, heads: dict[str, int]) -> dict | None:
    """Settings of a branch for the joints of the checkpoint; None if that has no such head."""
    branch = MODELS.build(copy.deepcopy(settings))
    channels = heads.get(branch.name)
    if channels is None or channels == branch.channels or 'num_joints' not in settings:
        return None if channels is None else settings
    joints = channels * settings['num_joints'] // branch.channels
    # Which of them a mirror exchanges is not in the file.
    return settings | dict(num_joints=joints, flip_pairs=[])
