"""Whether a checkpoint is one of the model that it is loaded into."""

from collections.abc import Mapping

from torch import nn

from ..models.weights import unfilled_weights, wanted_weights


def misfit(model: nn.Module, checkpoint: Mapping) -> tuple[str, float]:
    """What is wrong with a checkpoint for a model; mmengine loads what fits and logs the rest.

    Args:
        model: the detector, without wrappers.
        checkpoint: a bare ``state_dict`` or a container that has it under that name.

    Returns:
        A sentence, empty where the checkpoint fills the whole model, and the share of the model's
        parameters that it fills, 0 to 1.
    """
    wrong, count = unfilled_weights(model, checkpoint), len(wanted_weights(model))
    if not wrong:
        return '', 1.0
    sizes = {name: p.numel() for name, p in model.named_parameters()}
    share = 1 - sum(sizes.get(name, 0) for name in wrong) / max(sum(sizes.values()), 1)
    sentence = (
        'the checkpoint is of another architecture than the config: '
        f'{count - len(wrong)} of {count} tensors ({share:.0%} of the parameters) fit, '
        f"'{wrong[0]}' is the first that does not"
    )
    return sentence, share
