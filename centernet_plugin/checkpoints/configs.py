"""Which shipped config a network belongs to."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmdet.datasets import VOCDataset
from mmengine.config import Config

from ..errors import UserInputError
from .recognise import Description

FOLDER = 'centernet'
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
LONGER = {  # the same network, trained longer
    'centernet_dla34-dcnv2_8xb16-warp512-140e_coco': (
        'centernet_dla34-dcnv2_8xb16-warp512-230e_coco'
    )
}
VOC = {  # for 20 classes, by input size
    'centernet_r18-dcnv2_4xb28-warp512-140e_coco': 'centernet_r18-dcnv2_1xb32-warp{}-70e_voc0712',
    'centernet_r101-dcnv2_8xb12-warp512-140e_coco': 'centernet_r101-dcnv2_1xb32-warp{}-70e_voc0712',
    'centernet_dla34-dcnv2_8xb16-warp512-140e_coco': (
        'centernet_dla34-dcnv2_1xb32-warp{}-70e_voc0712'
    ),
}
SHALLOW = 34  # ResNets up to here end in 512 channels, deeper ones in 2048
SIZE = dict(type='centernet_plugin.SizeBranch')


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
    depths = CONFIGS[description.network]
    depth = description.depth
    if depth not in depths:
        depth = max(depths) if depth > SHALLOW else min(depths)
    config, others = depths[depth], []
    is_voc = description.num_classes == 20 and tuple(classes) == VOCDataset.METAINFO['classes']
    if is_voc and config in VOC:
        sizes = (384, 512) if '384' in name else (512, 384)
        config, *others = (VOC[config].format(size) for size in sizes)
    elif config in LONGER and description.task == 'ctdet':
        others = [LONGER[config]]
        if epoch is not None and epoch > 140:
            config, others = LONGER[config], [config]
    path = folder / FOLDER / f'{config}.py'
    if not path.is_file():
        raise UserInputError(f"the config '{path}' of this network does not exist")
    config = Config.fromfile(path)
    options = _options(description, config.model)
    config.merge_from_dict(options)
    return Choice(path, options, config, others)


def _options(description: Description, model) -> dict[str, Any]:
    """What of ``model``, a shipped config's, is otherwise in the checkpoint."""
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
    if description.heads:
        want('bbox_head', 'num_classes', description.num_classes)
        want('bbox_head', 'feat_channels', description.feat_channels, 64)
    if description.task == 'ctdet' and 'offset' not in description.heads:
        options['model.bbox_head.branches'] = [SIZE]
    return options
