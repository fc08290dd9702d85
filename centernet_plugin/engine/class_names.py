"""Class names for checkpoints that have none."""

from mmdet.registry import DATASETS
from mmengine.config import Config


def with_class_names(checkpoint: dict, cfg: Config) -> dict:
    """The checkpoint, with the class names of the config's test set where it has none of its own.

    mmdet would call the classes by COCO's names, whatever they are.

    Args:
        checkpoint: a bare ``state_dict``, or a container that has it under that name; not changed.
        cfg: the config that it is loaded with.
    """
    meta = checkpoint.get('meta') or {}
    if 'dataset_meta' in meta or 'CLASSES' in meta:
        return checkpoint
    dataset = DATASETS.build(dict(cfg.test_dataloader.dataset, lazy_init=True))  # reads no file
    if not dataset.metainfo.get('classes'):
        return checkpoint
    container = checkpoint if 'state_dict' in checkpoint else dict(state_dict=checkpoint)
    return dict(container, meta=dict(meta, dataset_meta=dataset.metainfo))
