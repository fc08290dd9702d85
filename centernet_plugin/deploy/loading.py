"""A detector from its config and a checkpoint that fills it."""

from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from torch import nn

from ..errors import UserInputError
from ..models.weights import unfilled_weights


def load_detector(config: Config, checkpoint: str) -> tuple[nn.Module, tuple[str, ...]]:
    """The detector on the CPU, in evaluation mode, and the names of its classes.

    Names are the checkpoint's, else those of the config's test set, else numbers.

    Raises:
        UserInputError: the checkpoint leaves weights of the model as they were drawn.
    """
    init_default_scope(config.get('default_scope', 'mmdet'))
    model = revert_sync_batchnorm(MODELS.build(config.model))
    content = load_checkpoint(model, checkpoint, map_location='cpu', logger='silent')
    unfilled = unfilled_weights(model, content)
    if unfilled:
        raise UserInputError(
            f'the checkpoint is of another architecture than the config: {len(unfilled)} tensors '
            f"of the model are not in it, '{unfilled[0]}' is the first"
        )
    return model.eval(), _classes(config, content, model)


def _classes(config: Config, content: dict, model: nn.Module) -> tuple[str, ...]:
    meta = (content.get('meta') or {}).get('dataset_meta') or {}
    metainfo = (config.get('test_dataloader') or {}).get('dataset', {}).get('metainfo') or {}
    count = getattr(getattr(model, 'bbox_head', None), 'num_classes', 0)
    for classes in (meta.get('classes', meta.get('CLASSES')), metainfo.get('classes')):
        classes = (classes,) if isinstance(classes, str) else tuple(classes or ())
        if len(classes) == count:
            return classes
    return tuple(map(str, range(count)))
