"""The head: a centre heat-map and one branch per property."""

import torch
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.models.utils import unpack_gt_instances
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ...errors import UserInputError
from ...registry import MODELS
from ..branches import Peaks
from ..functional.grid import GridToImage, clip_boxes, image_size
from ..functional.peaks import find_peaks, gather_cells
from ..functional.suppress import check_nms, suppress_instances
from ..functional.targets import CenterTargets, build_targets
from .output_layers import INIT_RULES, OutputLayers

HEATMAP = 'heatmap'
CROWD_RULES = ('object', 'ignore', 'gaussian', 'background')

Maps = dict[str, Tensor]


@MODELS.register_module()
class CenterNetHead(BaseDenseHead):
    """Objects as points: peaks of a class heat-map, properties read at the peak (paper, section 4).

    It works on any stride-``stride`` feature map, in any mmdet single-stage detector.

    Args:
        num_classes: C.
        in_channels: channels of each feature map.
        feat_channels: channels between the two convolutions of every output.
        num_stacks: feature maps that are supervised; losses are averaged over them, testing uses
            the last.
        stride: input pixels per cell.
        branches: configs of the properties; default: size and offset.
        loss_heatmap: config of the heat-map loss on logits.
        radius_rule, min_overlap: how far the gaussian reaches, see
            :func:`~centernet_plugin.models.functional.gaussian.gaussian_radius`.
        whole_sides: round sides of boxes up before the radius, as published, but not for KITTI.
        heatmap_bias: initial logit of every cell; -2.19 is a probability of 0.1.
        init_rule: which published network's initialisation: ``'res'``, ``'resdcn'``, ``'dla'`` or
            ``'hourglass'``.
        train_cfg: ``neighbours`` (default 0: branches learn at the centre cell only, see
            :func:`~centernet_plugin.models.functional.targets.build_targets`), ``sync_num_pos``
            (default False: several processes each divide their losses by the objects of their own
            images, as published; True: as one process with all images would) and ``crowd``:
            ``'object'`` trains crowd regions as objects, as published; ``'ignore'`` (default) lets
            the background inside them not count, for centres and joints; ``'gaussian'`` lets it
            count as little as around objects, as published for KITTI; ``'background'`` takes no
            notice of them.
        test_cfg: ``topk`` (100 peaks are decoded), ``max_per_img`` (100 of them are kept),
            ``local_maximum_kernel`` (3), ``clip`` (True: boxes end at the image border; the
            published code does not clip), ``score_thr`` (0), ``nms`` (None, as published: peaks
            need none; against the duplicates that remain see
            :func:`~centernet_plugin.models.functional.suppress.suppress`).
        init_cfg: replaces ``init_rule``.

    Raises:
        ValueError: an unknown rule or option, or a wrong number of feature maps.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int,
        feat_channels: int = 64,
        num_stacks: int = 1,
        stride: int = 4,
        branches: list[dict] | None = None,
        loss_heatmap: dict | ConfigDict | None = None,
        radius_rule: str = 'historical',
        min_overlap: float = 0.7,
        whole_sides: bool = True,
        heatmap_bias: float = -2.19,
        init_rule: str = 'res',
        train_cfg: dict | ConfigDict | None = None,
        test_cfg: dict | ConfigDict | None = None,
        init_cfg: dict | ConfigDict | list | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.num_classes, self.stride = num_classes, stride
        self.radius_rule, self.min_overlap = radius_rule, min_overlap
        self.whole_sides = whole_sides
        self.heatmap_bias, self.init_rule = heatmap_bias, init_rule
        if init_rule not in INIT_RULES:
            raise ValueError(f'unknown init_rule {init_rule!r}, choose one of {INIT_RULES}')
        self.train_cfg = _options(
            'train_cfg', train_cfg, neighbours=0, crowd='ignore', sync_num_pos=False
        )
        self.test_cfg = _options(
            'test_cfg',
            test_cfg,
            max_per_img=100,
            topk=100,
            local_maximum_kernel=3,
            clip=True,
            score_thr=0.0,
            nms=None,
        )
        check_nms(self.test_cfg['nms'])
        if self.train_cfg['crowd'] not in CROWD_RULES:
            raise ValueError(f'unknown crowd rule, choose one of {CROWD_RULES}')

        self.loss_heatmap = MODELS.build(
            loss_heatmap or dict(type='centernet_plugin.HeatmapFocalLoss')
        )
        if branches is None:
            branches = [
                dict(type='centernet_plugin.SizeBranch'),
                dict(type='centernet_plugin.OffsetBranch'),
            ]
        self.branches = nn.ModuleList(MODELS.build(branch) for branch in branches)
        for branch in self.branches:
            branch.stride = stride
        channels = {HEATMAP: num_classes} | {b.name: b.channels for b in self.branches}
        if len(channels) != len(self.branches) + 1:
            raise ValueError(f'branch names must differ, got {[b.name for b in self.branches]}')
        self.heads = OutputLayers(
            channels,
            num_stacks=num_stacks,
            in_channels=in_channels,
            feat_channels=feat_channels,
        )

    def init_weights(self) -> None:
        """Initialise as published (``init_rule``), or as ``init_cfg`` says."""
        first_time = not self.is_init
        super().init_weights()
        if first_time and not self.init_cfg:
            heatmaps = {HEATMAP, *(b.name for b in self.branches if b.is_heatmap)}
            self.heads.init_as_published(self.init_rule, heatmaps, self.heatmap_bias)

    def forward(self, feats: tuple[Tensor, ...], last_only: bool = False) -> tuple[Maps, ...]:
        """Raw maps of every stack.

        Args:
            feats: one feature map per stack. Each (B, in_channels, H, W)
            last_only: make those of the last stack alone, which is all that testing uses.

        Returns:
            One dict per stack: ``heatmap`` (logits, (B, C, H, W)) and each branch's map by its
            name ((B, D, H, W)).
        """
        return self.heads(feats, last_only)

    def loss(self, x: tuple[Tensor, ...], batch_data_samples: list) -> dict[str, Tensor]:
        """Losses of the batch; see :meth:`loss_by_feat`."""
        instances, ignored, metas = unpack_gt_instances(batch_data_samples)
        return self.loss_by_feat(self(x), instances, metas, ignored)

    def predict(
        self, x: tuple[Tensor, ...], batch_data_samples: list, rescale: bool = False
    ) -> list[InstanceData]:
        """Detections of the batch; see :meth:`predict_by_feat`."""
        metas = [sample.metainfo for sample in batch_data_samples]
        return self.predict_by_feat(self(x, last_only=True), metas, rescale=rescale)

    def loss_and_predict(self, x: tuple[Tensor, ...], batch_data_samples: list) -> tuple:
        """Losses, and detections in input pixels."""
        instances, ignored, metas = unpack_gt_instances(batch_data_samples)
        maps = self(x)
        return self.loss_by_feat(maps, instances, metas, ignored), self.predict_by_feat(maps, metas)

    def get_targets(
        self,
        size: tuple[int, int],
        batch_gt_instances: list[InstanceData],
        batch_gt_instances_ignore: list[InstanceData] | None = None,
    ) -> CenterTargets:
        """Targets on a feature map of ``size`` (H, W), crowds treated as ``train_cfg`` says."""
        crowd = self.train_cfg['crowd']
        ignored = batch_gt_instances_ignore
        if ignored is not None and crowd == 'object':
            batch_gt_instances = [
                _join(gt, ig) for gt, ig in zip(batch_gt_instances, ignored, strict=True)
            ]
        return build_targets(
            batch_gt_instances,
            self.num_classes,
            size,
            stride=self.stride,
            min_overlap=self.min_overlap,
            rule=self.radius_rule,
            whole_sides=self.whole_sides,
            neighbours=self.train_cfg['neighbours'],
            batch_ignored=ignored if crowd in ('ignore', 'gaussian') else None,
            ignored_as='region' if crowd == 'ignore' else 'gaussian',
            sync_num_pos=self.train_cfg['sync_num_pos'],
        )

    def loss_by_feat(
        self,
        stacks: tuple[Maps, ...],
        batch_gt_instances: list[InstanceData],
        batch_img_metas: list[dict],
        batch_gt_instances_ignore: list[InstanceData] | None = None,
    ) -> dict[str, Tensor]:
        """``loss_heatmap`` and one ``loss_<branch>`` each, averaged over the stacks.

        Args:
            stacks: from :meth:`forward`.
            batch_gt_instances: ``bboxes`` in input pixels and ``labels``.
            batch_img_metas: not needed.
            batch_gt_instances_ignore: crowds.

        Returns:
            Scalar losses, float32.
        """
        size = tuple(stacks[0][HEATMAP].shape[-2:])
        targets = self.get_targets(size, batch_gt_instances, batch_gt_instances_ignore)
        losses: dict[str, list[Tensor]] = {}
        for maps in stacks:
            heatmap = targets.heatmap_loss(self.loss_heatmap, maps[HEATMAP], targets.heatmap)
            losses.setdefault(f'loss_{HEATMAP}', []).append(heatmap)
            for branch in self.branches:
                loss = branch.loss(maps[branch.name], targets)
                losses.setdefault(f'loss_{branch.name}', []).append(loss)
        return {name: torch.stack(values).mean() for name, values in losses.items()}

    def predict_by_feat(
        self,
        stacks: tuple[Maps, ...],
        batch_img_metas: list[dict],
        rescale: bool = False,
        *,
        flipped: bool = False,
        select: bool = True,
    ) -> list[InstanceData]:
        """Detections of every image.

        Args:
            stacks: from :meth:`forward`; the last is used.
            batch_img_metas: ``img_shape``; ``ori_shape`` and ``scale_factor`` if ``rescale``;
                ``border`` (top, bottom, left, right of the image in the input) where the
                pipeline padded on the left or top.
            rescale: boxes in the original image's pixels instead of the unpadded input's.
            flipped: the second half of the maps is of the mirrored inputs; one detection per
                image comes of both.
            select: False leaves out ``nms``, ``max_per_img`` and ``score_thr`` of ``test_cfg``, for
                detections that are going to be merged with others.

        Returns:
            ``scores`` (falling), ``labels``, ``bboxes`` (x1, y1, x2, y2; (K, 4)) and what the
            branches add.
        """
        maps = {name: value.float() for name, value in stacks[-1].items()}
        maps |= {branch.name: branch.activate(maps[branch.name]) for branch in self.branches}
        nms = self.test_cfg['nms']
        k, kernel = self.test_cfg['topk'], self.test_cfg['local_maximum_kernel']
        if select and nms is None:  # nobody takes the place of those beyond
            k = min(k, self.test_cfg['max_per_img'])
        if flipped:
            maps = self.merge_flipped(maps)
            scores, labels, cells = find_peaks(maps[HEATMAP], k, kernel)
            scores = scores.clamp(min=0)  # of those that are no peaks
        else:
            logits, labels, cells = find_peaks(maps[HEATMAP], k, kernel)
            scores = logits.sigmoid()
        results = self.decode(maps, scores, labels, cells, batch_img_metas, rescale)
        if not select:
            return results
        if nms is not None:
            results = [suppress_instances(result, nms) for result in results]
        return [self.select(result) for result in results]

    def merge_flipped(self, maps: Maps) -> Maps:
        """Maps of B images from those of the B images and, behind them, their mirror images.

        The heat-map is one of logits, the branches' maps are activated. Probabilities are averaged
        (not logits), of the other maps what their branches say.

        Returns:
            ``heatmap`` as probabilities (B, C, H, W) and each branch's map (B, D, H, W).
        """
        halves = {name: value.chunk(2) for name, value in maps.items()}
        plain, mirrored = (value.sigmoid() for value in halves[HEATMAP])
        merged = {HEATMAP: (plain + mirrored.flip(-1)) / 2}
        return merged | {b.name: b.merge_flipped(*halves[b.name]) for b in self.branches}

    def decode(
        self,
        maps: Maps,
        scores: Tensor,
        labels: Tensor,
        cells: Tensor,
        batch_img_metas: list[dict],
        rescale: bool,
    ) -> list[InstanceData]:
        """Read every branch at given peaks: scores and labels (B, K), cells (B, K, 2).

        The branches' maps are activated.
        """
        to_image = GridToImage.from_metas(batch_img_metas, self.stride, rescale, scores)
        fields = self.decode_fields(maps, scores, labels, cells, to_image)
        results = []
        for i, meta in enumerate(batch_img_metas):
            result = InstanceData(**{name: value[i] for name, value in fields.items()})
            if self.test_cfg['clip'] and 'bboxes' in result:
                result.bboxes = clip_boxes(result.bboxes, image_size(meta, rescale))
            results.append(result)
        return results

    def decode_fields(
        self, maps: Maps, scores: Tensor, labels: Tensor, cells: Tensor, to_image: GridToImage
    ) -> dict[str, Tensor]:
        """Fields of the detections at given peaks by their names, each (B, K, ...).

        Tensors in, tensors out, for any B: also what an exported graph does.

        Args:
            maps: those of the branches, activated.
            scores, labels: (B, K).
            cells: (B, K, 2).
            to_image: from cells to image pixels.
        """
        peaks = Peaks(scores=scores, labels=labels, cells=cells, centers=cells + 0.5)
        values = {b.name: gather_cells(maps[b.name], cells) for b in self.branches}
        for branch in self.branches:
            branch.refine(values[branch.name], peaks)
        fields = dict(scores=scores, labels=labels)
        for branch in self.branches:
            found = branch.decode(values[branch.name], peaks, to_image)
            if twice := fields.keys() & found.keys():
                raise UserInputError(
                    f"branch '{branch.name}' of the head gives {sorted(twice)} of the detections, "
                    'as another branch does; let them be called differently'
                )
            fields |= found
        for branch in self.branches:
            branch.adjust(fields, maps, to_image)
        return fields

    def select(self, result: InstanceData) -> InstanceData:
        """Of one image's detections, best first, those that ``test_cfg`` lets remain."""
        if len(result) > self.test_cfg['max_per_img']:
            result = result[: self.test_cfg['max_per_img']]
        if self.test_cfg['score_thr'] > 0:
            result = result[result.scores >= self.test_cfg['score_thr']]
        return result


def _options(name: str, given: dict | None, **defaults) -> dict:
    """Defaults overridden by what is given; an unknown key is an error, not silence."""
    given = dict(given or {})
    unknown = set(given) - set(defaults)
    if unknown:
        raise ValueError(
            f'CenterNetHead does not know {name} {sorted(unknown)}, only {sorted(defaults)}'
        )
    return defaults | given


def _join(instances: InstanceData, others: InstanceData | None) -> InstanceData:
    """All instances; what the others do not say is not known of them."""
    if others is None or len(others) == 0:
        return instances
    both = [name for name in instances.keys() if name in others]  # noqa: SIM118  no dictionary
    parts = [InstanceData(**{name: x[name] for name in both}) for x in (instances, others)]
    joined = InstanceData.cat(parts)
    for name, values in instances.items():
        if name not in both and isinstance(values, Tensor) and values.is_floating_point():
            unknown = values.new_full((len(others), *values.shape[1:]), torch.nan)
            joined[name] = torch.cat([values, unknown])
    return joined
