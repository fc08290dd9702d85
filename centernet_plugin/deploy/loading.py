"""A detector from its config and a checkpoint that fills it."""

from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from torch import nn

from ..engine.checkpoint_fit import misfit
from ..engine.class_names import with_class_names
from ..errors import UserInputError


def load_detector(config: Config, checkpoint: str) -> tuple[nn.Module, tuple[str, ...]]:
    """The detector on the CPU, in evaluation mode, and the names of its classes.

    Names are the checkpoint's, else those of the config's test set, else numbers, if there are
    not as many as the head has classes.

    Raises:
        UserInputError: the checkpoint leaves weights of the model as they were drawn.
    """
    init_default_scope(config.get('default_scope', 'mmdet'))
    model = revert_sync_batchnorm(MODELS.build(config.model))
    content = load_checkpoint(model, checkpoint, map_location='cpu', logger='silent')
    sentence, _ = misfit(model, content)
    if sentence:
        raise UserInputError(sentence)
    return model.eval(), _classes(config, content, model)


def _classes(config: Config, content: dict, model: nn.Module) -> tuple[str, ...]:
    if 'type' in (config.get('test_dataloader') or {}).get('dataset', {}):
        content = with_class_names(content, config)
    meta = content.get('meta') or {}
    names = (meta.get('dataset_meta') or meta).get('classes', meta.get('CLASSES'))
    classes = (names,) if isinstance(names, str) else tuple(names or ())
    count = getattr(getattr(model, 'bbox_head', None), 'num_classes', 0)
    return classes if len(classes) == count else tuple(map(str, range(count)))
