"""From the config of a detector to its graph."""

from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from torch import device, nn, zeros

from centernet_plugin.errors import UserInputError

from .graph import Graph, build_graph
from .trace import trace


def network_graph(
    config: dict | ConfigDict, shape: tuple[int, int] = (512, 512), detail: int = 0
) -> tuple[Graph, nn.Module]:
    """Builds a detector, runs its network once and reads off what feeds what.

    On the meta device, which has shapes but no numbers, so that size costs nothing; on the CPU
    where a module needs numbers to be built or to run.

    Args:
        config: of the model; weights are not loaded.
        shape: height and width of the input.
        detail: how many levels of modules to open inside every unit.

    Returns:
        The graph, and the detector.

    Raises:
        UserInputError: the detector cannot be built, or not be run with an image alone.
    """
    try:
        return _graph(config, shape, detail, 'meta')
    except Exception:  # whatever a stranger's module does without numbers
        pass
    try:
        return _graph(config, shape, detail, 'cpu')
    except Exception as error:
        size = ' x '.join(map(str, shape))
        raise UserInputError(f'the network does not run on an image of {size}: {error}') from error


def _graph(config, shape, detail, where):
    with device(where):
        model = MODELS.build(config).eval()
        return build_graph(trace(model, zeros(1, 3, *shape), mode='tensor'), detail), model
