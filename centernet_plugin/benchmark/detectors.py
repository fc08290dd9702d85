"""MMDetection's own CenterNet and ours, with one network between them."""

import importlib
import tempfile
import warnings
from pathlib import Path

import mmdet
import torch
import torch.nn.functional as F
from mmdet.apis import init_detector
from mmengine.config import Config
from torch import Tensor, nn

from ..checkpoints import convert_file
from ..engine.quiet_runner import hushed
from ..errors import UserInputError

THEIR_CONFIGS = {
    'r18': 'centernet_r18_8xb16-crop512-140e_coco.py',
    'r18-dcnv2': 'centernet_r18-dcnv2_8xb16-crop512-140e_coco.py',
}

PEAK, BIAS = 3.0, -2.19  # largest of the heat-map's logits above their mean, and that


def build_pair(name: str, device: str = 'cpu', *, seed: int = 0) -> tuple[nn.Module, nn.Module]:
    """Two detectors of equal weights, for ``mmdet.apis.inference_detector``.

    Theirs is drawn at random so that it is alive as a trained one is: activations are normalised,
    scores differ and spread, boxes have sizes. Ours has its weights by way of the converter, and
    reads images by its own test pipeline. For one image both give the same detections.

    Args:
        name: ``'r18'`` or ``'r18-dcnv2'``, MMDetection's CenterNet-ResNet-18 without and with
            deformable convolution; 80 classes.
        device: of both.
        seed: of the weights; the global generator is left as it was.

    Returns:
        Ours, theirs; in evaluation mode, with their configs as ``cfg``.

    Raises:
        UserInputError: another name; or ``'r18-dcnv2'`` without mmcv's compiled operators, which
            MMDetection's neck needs.
    """
    if name not in THEIR_CONFIGS:
        raise UserInputError(f'unknown network {name!r}, choose one of {tuple(THEIR_CONFIGS)}')
    if name == 'r18-dcnv2' and not has_compiled_operator():
        raise UserInputError(
            "MMDetection's CenterNet with deformable convolution needs mmcv's compiled operators, "
            'and this mmcv has none; install an mmcv that has, or measure r18'
        )
    their_config = Config.fromfile(
        Path(mmdet.__path__[0]) / '.mim' / 'configs' / 'centernet' / THEIR_CONFIGS[name]
    )
    with hushed(), torch.random.fork_rng(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter('ignore')  # no checkpoint is what we want here
        torch.manual_seed(seed)
        theirs = init_detector(their_config, device='cpu')
        enliven(theirs)
        files = [Path(folder) / name for name in ('theirs.pth', 'ours.pth')]
        meta = dict(dataset_meta=theirs.dataset_meta)
        torch.save(dict(meta=meta, state_dict=theirs.state_dict()), files[0])
        config = convert_file(*files).choice.config
        ours = init_detector(config, str(files[1]), device=device)
    return ours, theirs.to(device)


def has_compiled_operator() -> bool:
    """Whether mmcv's modulated deformable convolution is compiled; ours may stand in for it."""
    try:
        extension = importlib.import_module('mmcv._ext')
    except ImportError:
        return False
    operator = getattr(extension, 'modulated_deform_conv_forward', None)
    return type(operator).__name__ == 'builtin_function_or_method'


@torch.no_grad()
def enliven(detector: nn.Module) -> None:
    """Draws weights of MMDetection's CenterNet with which it works as a trained one does.

    He's initialisation keeps activations alive, the statistics of the batch norms are those of
    coarse noise, sampling positions move, and the heat-map's logits spread around its bias.
    """
    for name, module in detector.named_modules():
        if 'conv_offset' in name:
            nn.init.normal_(module.weight, std=0.01)
        elif isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
    head = detector.bbox_head
    nn.init.normal_(head.heatmap_head[-1].weight, std=0.02)
    for layers, size in ((head.wh_head, 8.0), (head.offset_head, 0.5)):
        nn.init.normal_(layers[-1].weight, std=0.02 * size)
        nn.init.constant_(layers[-1].bias, size)
    noise = settle(detector)
    # No score may come near 1, where those of neighbours become equal and all of them peaks.
    last = head.heatmap_head[-1]
    logits = head.heatmap_head(detector.extract_feat(noise)[0]) - last.bias.view(-1, 1, 1)
    last.weight *= PEAK / logits.max()
    nn.init.constant_(last.bias, BIAS)


@torch.no_grad()
def settle(detector: nn.Module) -> Tensor:
    """Gives batch norms the statistics of their inputs, and leaves the detector evaluating.

    Without, values shrink from layer to layer until they are denormal numbers, with which a CPU
    calculates many times slower than with those of a trained network.

    Returns:
        The input: even areas, and edges as sharp as those of the padding; layers pass less of white
        noise on. (2, 3, 256, 256)
    """
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # this batch is all of the statistics
    coarse = torch.randn(2, 3, 16, 16).to(next(detector.parameters()).device)
    noise = F.interpolate(coarse, size=(256, 256))
    detector.train()
    detector.extract_feat(noise)
    detector.eval()
    return noise
