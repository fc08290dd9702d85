"""The layers of a head: two convolutions for every output of every stack."""

from collections.abc import Collection

from torch import Tensor, nn

INIT_RULES = ('res', 'resdcn', 'dla', 'hourglass')


class OutputLayers(nn.ModuleList):
    """For each stack and output a 3x3 convolution, ReLU and a 1x1 convolution, as published.

    Args:
        channels: of every output by its name.
        num_stacks: feature maps.
        in_channels: of each feature map.
        feat_channels: between the two convolutions.
    """

    def __init__(
        self, channels: dict[str, int], *, num_stacks: int, in_channels: int, feat_channels: int
    ) -> None:
        super().__init__(
            nn.ModuleDict(
                {
                    name: nn.Sequential(
                        nn.Conv2d(in_channels, feat_channels, 3, padding=1),
                        nn.ReLU(inplace=True),
                        nn.Conv2d(feat_channels, out_channels, 1),
                    )
                    for name, out_channels in channels.items()
                }
            )
            for _ in range(num_stacks)
        )

    def init_as_published(self, rule: str, heatmaps: Collection[str], heatmap_bias: float) -> None:
        """Initialise as one of the published networks.

        Args:
            rule: ``'res'`` (last layer of the properties N(0, 0.001)), ``'resdcn'`` (both layers),
                ``'dla'`` (zero biases) or ``'hourglass'`` (framework defaults).
            heatmaps: names of the outputs that are heat-maps.
            heatmap_bias: initial logit of their cells.
        """
        for stack in self:
            for name, (first, _, last) in stack.items():
                if name in heatmaps:
                    nn.init.constant_(last.bias, heatmap_bias)
                    continue
                layers = {'res': [last], 'resdcn': [first, last], 'dla': [first, last]}
                for layer in layers.get(rule, []):
                    nn.init.zeros_(layer.bias)
                    if rule != 'dla':
                        nn.init.normal_(layer.weight, std=0.001)

    def forward(
        self, feats: tuple[Tensor, ...], last_only: bool = False
    ) -> tuple[dict[str, Tensor], ...]:
        """Outputs of every stack, or of the last alone, by their names.

        Args:
            feats: one feature map per stack.
            last_only: leave the other stacks out.

        Raises:
            ValueError: a wrong number of feature maps.
        """
        if len(feats) != len(self):
            raise ValueError(
                f'CenterNetHead with num_stacks={len(self)} got {len(feats)} feature maps; '
                'it takes one per stack, all of the same stride (end a pyramid in one map)'
            )
        stacks = list(zip(feats, self, strict=True))
        return tuple(
            {name: layers(feat) for name, layers in stack.items()}
            for feat, stack in (stacks[-1:] if last_only else stacks)
        )
