"""From the boxes of a batch to the centres, cells and heat-map that training compares with."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import torch
import torch.distributed as dist
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ...errors import UserInputError
from .device import immediate
from .gaussian import gaussian_radius, gaussian_sigma
from .grid import clip_boxes
from .heatmap import HeatmapTarget, build_heatmap_target

Made = TypeVar('Made')


@dataclass
class CenterTargets:
    """What the head and every branch train against.

    Legend: B images, C classes, H x W cells, N objects of all images, M samples. A sample is one
    cell at which branches are supervised; with the paper's rule M = N, each object at its centre
    cell. Coordinates are in cells. Invalid samples carry weight 0 and in-range cells.

    Attributes:
        heatmap: gaussians, 1 at centres, and where background does not count.
        image: image of each sample. (M,), int64
        cells: cell (x, y) of each sample. (M, 2), int64
        centers: exact centre (x, y) of the sample's object. (M, 2)
        sizes: (width, height) of its box within the map. (M, 2)
        weight: weight of each sample, 0 for objects that are not on the map. (M,)
        objects: object of each sample. (M,), int64
        batch_instances: the annotations of each image, in input pixels.
        object_image: image of each object. (N,), int64
        radii: gaussian radius of each object, -1 for those that are not on the map. (N,)
        max_radius: no radius is larger, or None where they can be looked at.
        ignored: image and box (x1, y1, x2, y2) of regions where background does not count, or None.
            (R,), int64, and (R, 4)
        sync_num_pos: whether losses are divided by what all processes count.
    """

    heatmap: HeatmapTarget
    image: Tensor
    cells: Tensor
    centers: Tensor
    sizes: Tensor
    weight: Tensor
    objects: Tensor
    batch_instances: list[InstanceData]
    object_image: Tensor
    radii: Tensor
    max_radius: int | None
    ignored: tuple[Tensor, Tensor] | None = None
    sync_num_pos: bool = False
    _made: dict = field(default_factory=dict, init=False, repr=False)

    @property
    def num_images(self) -> int:
        """B."""
        return len(self.batch_instances)

    def field(self, name: str) -> Tensor:
        """A field of the annotations at every sample. (M, ...)

        Raises:
            UserInputError: the annotations have no such field.
        """
        return self.object_field(name)[self.objects]

    def object_field(self, name: str) -> Tensor:
        """A field of the annotations of every object; see :meth:`field`. (N, ...)"""
        for instances in self.batch_instances:
            if name not in instances:
                raise UserInputError(
                    f"gt_instances have no field '{name}', only {sorted(instances.keys())}; name "
                    'it in fields=(...) of the dataset and use LoadAnnotations and PackDetInputs '
                    'of centernet_plugin in the pipeline'
                )
        parts = [InstanceData(**{name: x[name]}) for x in self.batch_instances]
        return InstanceData.cat(parts)[name]

    def normalizer(self, count: Tensor, guard: Callable[[Tensor], Tensor]) -> Tensor:
        """What a sum over this batch is divided by.

        With ``sync_num_pos`` it is such that the mean of the quotients of all processes, which is
        what their gradients are averaged to, is the quotient of one process with all batches.

        Args:
            count: what is counted in this batch, such as objects.
            guard: keeps a count from being 0.
        """
        if not (self.sync_num_pos and dist.is_available() and dist.is_initialized()):
            return guard(count)
        total = count.detach().clone()
        dist.all_reduce(total)
        return guard(total) / dist.get_world_size()

    def heatmap_loss(self, loss: nn.Module, logits: Tensor, target: HeatmapTarget) -> Tensor:
        """Loss of a heat-map of this batch, divided by :meth:`normalizer` of its peaks."""
        if not self.sync_num_pos:  # the loss's own, so that it may be anybody's
            return loss(logits, target)
        peaks = self.normalizer(target.counts.sum(), lambda count: count.clamp(min=1))
        return loss(logits, target, avg_factor=peaks)

    def once(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What ``make`` gave when first asked; several branches and stacks share it."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def gather(self, feature: Tensor) -> Tensor:
        """Read a map (B, D, H, W) at the samples. (M, D)"""
        return feature[self.image, :, self.cells[:, 1], self.cells[:, 0]]


def clip_to_map(boxes: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Part of each box on the map, and whether there is one.

    As published: corners are clipped to the last cell's index, the centre is that of the visible
    part, and a box is used if its visible part has any extent.

    Args:
        boxes: x1, y1, x2, y2 in cells. (N, 4)
        size: (H, W).

    Returns:
        Clipped boxes, zero where invalid. (N, 4)
        Validity; boxes that are not finite are invalid. (N,), bool
    """
    finite = boxes.isfinite().all(1)
    clipped = clip_boxes(boxes.nan_to_num(0, 0, 0), (size[0] - 1, size[1] - 1))
    valid = finite & (clipped[:, 2:] > clipped[:, :2]).all(1)
    return clipped * valid[:, None], valid


def build_targets(
    batch_instances: list[InstanceData],
    num_classes: int,
    size: tuple[int, int],
    *,
    stride: int = 4,
    min_overlap: float = 0.7,
    rule: str = 'historical',
    whole_sides: bool = True,
    neighbours: int = 0,
    batch_ignored: list[InstanceData | None] | None = None,
    ignored_as: str = 'region',
    sync_num_pos: bool = False,
) -> CenterTargets:
    """Targets of a batch in one pass over all its objects, without a device sync.

    Args:
        batch_instances: ``bboxes`` (x1, y1, x2, y2 in input pixels; tensor or mmdet boxes) and
            ``labels`` of each image, and whatever fields the branches read.
        num_classes: C.
        size: (H, W) of the feature map.
        stride: input pixels per cell.
        min_overlap, rule: see :func:`gaussian_radius`.
        whole_sides: round the sides of boxes up before the radius is computed from them.
        neighbours: branches are supervised at all cells within this distance of the centre cell,
            each weighted by the heat-map gaussian there; 0 is the paper's single cell.
        batch_ignored: regions (crowds) where background of their class does not count.
        ignored_as: what of these does not count: their ``'region'``, or as much as of an object,
            its ``'gaussian'``.
        sync_num_pos: see :class:`CenterTargets`.

    Returns:
        The targets; all tensors may have zero samples.
    """
    num_images, device = len(batch_instances), batch_instances[0].labels.device
    place = partial(
        _place, size=size, stride=stride, min_overlap=min_overlap, rule=rule, whole=whole_sides
    )
    boxes, labels, image = _flatten(enumerate(batch_instances))
    centers, sizes, cells, radii = place(boxes)
    limit = None
    if not immediate(radii):  # of the largest visible part that there can be
        largest = torch.tensor([size[1], size[0]]) - 1.0
        limit = int(_whole_radii(largest, min_overlap, rule, whole_sides)) + 1

    ignored = [(i, x) for i, x in enumerate(batch_ignored or ()) if x is not None and len(x)]
    regions = on_planes = shadows = None
    if ignored:
        region, region_labels, region_image = _flatten(ignored)
        planes = region_image * num_classes + region_labels
        if ignored_as == 'region':
            regions = (region_image, region / stride)
            on_planes = (planes, regions[1])
        else:
            _, _, around, reach = place(region)
            shadows = (planes, around, reach)
    heatmap = build_heatmap_target(
        image * num_classes + labels,
        cells,
        radii,
        (num_images, num_classes, *size),
        max_radius=limit,
        ignored=on_planes,
        shadows=shadows,
    )

    objects, object_image = torch.arange(len(boxes), device=device), image
    weight = (radii >= 0).float()
    if neighbours:
        objects, cells, weight = _neighbourhood(cells, radii, weight, size, neighbours)
        image, centers, sizes = image[objects], centers[objects], sizes[objects]
    return CenterTargets(
        heatmap=heatmap,
        image=image,
        cells=cells,
        centers=centers,
        sizes=sizes,
        weight=weight,
        objects=objects,
        batch_instances=batch_instances,
        object_image=object_image,
        radii=radii,
        max_radius=limit,
        ignored=regions,
        sync_num_pos=sync_num_pos,
    )


def _place(
    boxes: Tensor,
    *,
    size: tuple[int, int],
    stride: int,
    min_overlap: float,
    rule: str,
    whole: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Centres, sizes, cells and radii (-1 where invalid) of boxes in pixels."""
    boxes, valid = clip_to_map(boxes / stride, size)
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2  # (N, 2)
    sizes = boxes[:, 2:] - boxes[:, :2]
    radii = _whole_radii(sizes, min_overlap, rule, whole)
    return centers, sizes, centers.long(), torch.where(valid, radii, -1)


def _whole_radii(sizes: Tensor, min_overlap: float, rule: str, whole_sides: bool) -> Tensor:
    """Radius of boxes (width, height), in whole cells. (..., 2) -> (...)"""
    side = sizes.ceil() if whole_sides else sizes
    return gaussian_radius(side[..., 1], side[..., 0], min_overlap, rule).clamp(min=0).floor()


def _flatten(images: Iterable[tuple[int, InstanceData]]) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes, labels and image of the instances of numbered images. (N, 4), (N,), (N,)"""
    images = list(images)
    boxes = torch.cat([get_box_tensor(x.bboxes) for _, x in images]).reshape(-1, 4)
    labels = torch.cat([x.labels for _, x in images])
    image = [i for i, x in images for _ in range(len(x.labels))]
    image = torch.tensor(image, dtype=torch.int64).to(labels.device, non_blocking=True)
    return boxes.float(), labels.long(), image


def _neighbourhood(
    cells: Tensor, radii: Tensor, weight: Tensor, size: tuple[int, int], reach: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Expand N objects to M = N (2 reach + 1)^2 samples: object, cell and weight of each."""
    steps = torch.arange(-reach, reach + 1, device=cells.device)
    dx, dy = torch.meshgrid(steps, steps, indexing='xy')
    delta = torch.stack([dx, dy], dim=-1).view(-1, 2)  # (S, 2)
    expanded = cells[:, None] + delta  # (N, S, 2)
    x, y = (expanded[..., axis].clamp(0, length - 1) for axis, length in enumerate(reversed(size)))
    on_map = torch.stack([x, y], dim=-1)
    inside = (on_map == expanded).all(-1)  # (N, S)
    sigma = gaussian_sigma(radii)
    gaussian = torch.exp(-(delta**2).sum(1) / (2 * sigma[:, None] ** 2))
    near = (delta.abs() <= radii[:, None, None]).all(-1)
    objects = torch.arange(len(cells), device=cells.device)[:, None].expand(-1, len(delta))
    sample_weight = weight[:, None] * gaussian * inside * near
    return objects.reshape(-1), on_map.view(-1, 2), sample_weight.reshape(-1)
