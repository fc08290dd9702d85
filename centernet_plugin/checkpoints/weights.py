"""Published weights as weights of our model, checked against that model."""

import copy
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace

import torch
from mmengine.config import ConfigDict
from torch import Tensor, nn

from ..errors import UserInputError
from ..models.backbones import DLANet
from ..registry import MODELS
from .recognise import Description
from .rename import rename, unused

COUNTER = 'num_batches_tracked'
STATISTICS = ('running_mean', 'running_var', COUNTER)

Shapes = dict[str, tuple[int, ...]]


@dataclass
class Weights:
    """Weights with our names.

    Attributes:
        state: tensors by our name.
        sources: published name by our name.
        dropped: published names by the reason why they have no place.
        counters: how many batch counters the file lacked (torch < 0.4.1) and got here.
        cast: how many tensors had another type than float32, by the name of that type.
    """

    state: dict[str, Tensor]
    sources: dict[str, str]
    dropped: dict[str, list[str]]
    counters: int
    cast: dict[str, int] = field(default_factory=dict)

    @property
    def num_parameters(self) -> int:
        """Trained numbers, without batch norm statistics."""
        return num_parameters(self.state)


def num_parameters(state: dict[str, Tensor]) -> int:
    """How many numbers of ``state`` are trained."""
    trained = (t for key, t in state.items() if key.rpartition('.')[2] not in STATISTICS)
    return sum(tensor.numel() for tensor in trained)


def rename_all(state: dict[str, Tensor], description: Description) -> Weights:
    """Every tensor by our name, or among the dropped with a reason.

    Args:
        state: tensors by published name.
        description: what :func:`~centernet_plugin.checkpoints.recognise` says of them.

    Raises:
        UserInputError: a tensor that such a network does not have.
    """
    reasons = unused(state, description.network)
    dropped = defaultdict(list)
    for key, reason in reasons.items():
        dropped[reason].append(key)
    names = {key: rename(key, description.network) for key in state if key not in reasons}
    unknown = [key for key, name in names.items() if name is None]
    if unknown:
        raise UserInputError(
            f'{description.architecture} has no {_some(unknown)}; nothing was converted, because '
            'it is not known what that is for'
        )
    renamed = {name: state[key] for key, name in names.items()}
    if len(renamed) < len(names):
        twice = [key for key, name in names.items() if list(names.values()).count(name) > 1]
        raise UserInputError(f'{_some(twice)} have the same meaning; one of them is too many')
    complete = _with_counters(renamed)
    return Weights(
        complete,
        sources={name: key for key, name in names.items()},
        dropped=dict(dropped),
        counters=len(complete) - len(renamed),
    )


def model_shapes(model: ConfigDict | dict, description: Description) -> Shapes:
    """Names and shapes of all tensors of the model of a config; without heads, of the rest."""
    with torch.device('meta'):
        shapes = _shapes(MODELS.build(ConfigDict(copy.deepcopy(model))))  # building changes it
    if not description.heads:
        shapes = {key: shape for key, shape in shapes.items() if not key.startswith('bbox_head.')}
    return shapes


def dla_size(weights: Weights) -> str:
    """``arch`` of the :class:`DLANet` whose weights these are.

    Raises:
        UserInputError: of none of them; names what differs from the nearest.
    """
    given = {key: tuple(tensor.shape) for key, tensor in weights.state.items()}
    first = given['base_layer.0.weight']
    in_channels = first[1] if len(first) == 4 else 3
    shapes = {}
    for arch in DLANet.ARCHS:
        with torch.device('meta'):
            shapes[arch] = _shapes(DLANet(arch=arch, in_channels=in_channels))
    nearest = min(shapes, key=lambda arch: len(shapes[arch].items() ^ given.items()))
    check(weights, shapes[nearest], f'DLA-{nearest} (the nearest of {", ".join(shapes)})')
    return nearest


def check(weights: Weights, shapes: Shapes, model: str) -> None:
    """Fails unless weights and model have the same tensors, of the same shapes.

    Args:
        weights: converted.
        shapes: of the model, from :func:`model_shapes`.
        model: what to call it in a message.

    Raises:
        UserInputError: names the first few that differ.
    """
    missing = [key for key in shapes if key not in weights.state]
    if missing:
        raise UserInputError(f'the file is not complete: {model} needs {_some(missing)} as well')
    surplus = [weights.sources.get(key, key) for key in weights.state if key not in shapes]
    if surplus:
        raise UserInputError(f'{model} has no place for {_some(surplus)}')
    for key, shape in shapes.items():
        given = tuple(weights.state[key].shape)
        if given != shape:
            raise UserInputError(
                f"'{weights.sources.get(key, key)}' has the shape {given}, but {model} needs "
                f'{shape}'
            )


def as_float32(weights: Weights) -> Weights:
    """The same weights in single precision.

    Raises:
        UserInputError: names a tensor that is not of real numbers, or not finite in float32.
    """
    state, cast = {}, Counter()
    for name, tensor in weights.state.items():
        if name.endswith(COUNTER):
            state[name] = tensor.long()
            continue
        source, dtype = weights.sources[name], str(tensor.dtype).removeprefix('torch.')
        if not tensor.is_floating_point():
            raise UserInputError(f"'{source}' is of {dtype}, which is no type of weights")
        state[name] = tensor.float()
        if not state[name].isfinite().all():
            raise UserInputError(
                f"'{source}' has values that are infinite or not a number; the training diverged, "
                'or the file is damaged'
            )
        if tensor.dtype != torch.float32:
            cast[dtype] += 1
    return replace(weights, state=state, cast=dict(cast))


def _shapes(model: nn.Module) -> Shapes:
    return {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}


def _with_counters(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """``state`` with a counter after every variance; files of torch < 0.4.1 have none."""
    complete = {}
    for key, tensor in state.items():
        complete[key] = tensor
        layer, _, leaf = key.rpartition('.')
        if leaf == 'running_var' and f'{layer}.{COUNTER}' not in state:
            complete[f'{layer}.{COUNTER}'] = torch.tensor(0)
    return complete


def _some(keys: list[str], count: int = 3) -> str:
    """The first few of ``keys``, quoted, and how many more there are."""
    text = ', '.join(f"'{key}'" for key in keys[:count])
    return text if len(keys) <= count else f'{text} and {len(keys) - count} more tensors'
