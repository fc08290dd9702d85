"""Both CenterNet heads, of one definition, and their results in one form."""

from mmdet.models.dense_heads import CenterNetHead as MMDetHead
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

from ..models.dense_heads import CenterNetHead
from .inputs import OVERLAP, RULE, draw_maps, draw_objects
from .settings import Settings

NAMES = {'heatmap': 'center_heatmap', 'size': 'wh', 'offset': 'offset'}  # ours and mmdet's


def our_head(classes: int, *, compile: bool = False) -> CenterNetHead:
    """Ours with the radius rule and the loss of mmdet's; the loss may be compiled."""
    return CenterNetHead(
        num_classes=classes,
        in_channels=1,
        feat_channels=1,
        radius_rule=RULE,
        min_overlap=OVERLAP,
        loss_heatmap=dict(type='centernet_plugin.HeatmapFocalLoss', clamp=None, compile=compile),
        test_cfg=dict(clip=False),
    )


def mmdet_head(classes: int) -> MMDetHead:
    """mmdet's, as its config has it."""
    return MMDetHead(
        num_classes=classes,
        in_channels=1,
        feat_channels=1,
        test_cfg=ConfigDict(topk=100, local_maximum_kernel=3, max_per_img=100),
    )


def draw_batch(
    settings: Settings, *, images: int, objects: int
) -> tuple[list[InstanceData], dict[str, Tensor], list[dict]]:
    """Objects of a batch, raw maps of a network that sees them, and metas of the images."""
    drawn = draw_objects(
        images,
        objects,
        cells=settings.cells,
        classes=settings.classes,
        device=settings.device,
    )
    targets = our_head(settings.classes).get_targets((settings.cells, settings.cells), drawn)
    return drawn, draw_maps(targets.heatmap.dense()), metas(images, settings.size)


def mmdet_maps(maps: dict[str, Tensor]) -> list[list[Tensor]]:
    """Raw maps as mmdet's head gives them: its ``forward`` takes the sigmoid."""
    return [[maps['heatmap'].sigmoid()], [maps['size']], [maps['offset']]]


def metas(images: int, size: int) -> list[dict]:
    """Of images of 640 x 480 in the middle of a square input."""
    scale = size / 640
    top = (size - 480 * scale) / 2
    meta = dict(
        ori_shape=(480, 640),
        img_shape=(size, size),
        batch_input_shape=(size, size),
        border=(top, size - top, 0.0, float(size)),
        scale_factor=(scale, scale),
    )
    return [meta] * images


def our_losses(
    head: CenterNetHead, maps: dict[str, Tensor], objects: list[InstanceData], infos: list[dict]
) -> dict[str, Tensor]:
    """Losses by our maps' names."""
    losses = head.loss_by_feat((maps,), objects, infos)
    return {name: losses[f'loss_{name}'] for name in NAMES}


def mmdet_losses(
    head: MMDetHead, maps: dict[str, Tensor], objects: list[InstanceData], infos: list[dict]
) -> dict[str, Tensor]:
    """Losses by our maps' names."""
    losses = head.loss_by_feat(*mmdet_maps(maps), objects, infos)
    return {name: losses[f'loss_{theirs}'] for name, theirs in NAMES.items()}
