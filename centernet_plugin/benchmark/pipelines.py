"""Training data of our shipped config and of MMDetection's own CenterNet, to be timed."""

from importlib.util import find_spec
from pathlib import Path

from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS, DefaultScope

from ..errors import UserInputError

OURS = 'centernet_r18-dcnv2_8xb16-modern-140e_coco.py'
MMDET = 'centernet_r18_8xb16-crop512-140e_coco.py'


def build_pipelines(
    data_root: str, ann_file: str, image_folder: str, metainfo: dict | None = None
) -> dict[str, BaseDataset]:
    """Both training sets, of the same images in the same order.

    ``dataset[i]`` loads, augments and packs an image, on the CPU and in this process. The crops
    are 512 x 512 and scaled alike; colours differ as the two recipes do.

    Args:
        data_root: folder of the rest.
        ann_file: COCO annotations.
        image_folder: of the images.
        metainfo: class names, where they are not COCO's.

    Returns:
        ``ours`` and ``mmdet``.

    Raises:
        UserInputError: a config or the data is not there.
    """
    data = dict(data_root=data_root, ann_file=ann_file, data_prefix=dict(img=image_folder))
    if metainfo is not None:
        data['metainfo'] = metainfo
    # mmdet leaves out images without objects; the same images on both sides here.
    data['filter_cfg'] = dict(filter_empty_gt=False)
    with DefaultScope.overwrite_default_scope('mmdet'):
        return {
            name: DATASETS.build(_innermost(path) | data)
            for name, path in (
                ('ours', _config('centernet_plugin', OURS)),
                ('mmdet', _config('mmdet', MMDET)),
            )
        }


def _config(package: str, name: str) -> Path:
    """A config as it is installed, or as it lies in a checkout."""
    folder = Path(find_spec(package).origin).parent
    for root in (folder / '.mim', folder.parent):
        path = root / 'configs' / 'centernet' / name
        if path.is_file():
            return path
    raise UserInputError(f"'{name}' is not among the files of {package}")


def _innermost(path: Path) -> dict:
    """The training set of a config, out of wrappers such as RepeatDataset."""
    dataset = Config.fromfile(path).train_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    return dataset.to_dict()
