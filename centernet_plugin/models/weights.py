"""What a file of weights leaves unfilled in a model; mmengine loads the rest and only logs it."""

from collections.abc import Mapping

from torch import Tensor, nn


def wanted_weights(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and statistics of ``model`` by name, without counters, which older files lack."""
    return {n: v for n, v in model.state_dict().items() if not n.endswith('num_batches_tracked')}


def unfilled_weights(model: nn.Module, checkpoint: Mapping, prefix: str = '') -> list[str]:
    """Names of the wanted weights that are absent from a checkpoint or have another shape there.

    Args:
        model: to be filled.
        checkpoint: a bare ``state_dict`` or a container that has it under that name.
        prefix: of the model's names in the checkpoint, such as ``'backbone.'``.
    """
    state = checkpoint.get('state_dict', checkpoint)
    given = {name.removeprefix('module.'): value for name, value in state.items()}
    return [
        name
        for name, value in wanted_weights(model).items()
        if getattr(given.get(prefix + name), 'shape', None) != value.shape
    ]
