"""A detector as one function of tensors: pixels in, detections out."""

import copy

import torch
from mmdet.models.data_preprocessors import DetDataPreprocessor
from torch import Tensor, nn

from ..errors import UserInputError
from ..models.dense_heads import CenterNetHead
from ..models.dense_heads.centernet_head import HEATMAP
from ..models.detectors.unwrap import unwrap
from ..models.functional.grid import GridToImage
from ..models.functional.peaks import find_peaks
from .accelerate import accelerate

RENAMED = {'bboxes': 'boxes'}
FIRST = ('boxes', 'scores', 'labels')
RAW = 'raw.'  # before the names of maps, where they stand beside detections


class DetectorGraph(nn.Module):
    """Normalisation, network and decoding of a detector, for any batch and size of images.

    Boxes and other positions are in pixels of the input: where the image lies in it, and so where
    its border is, the graph does not know. It does not clip boxes, nor drop any by their score.

    Legend: B images, K detections of each, the ``topk`` and ``max_per_img`` of ``test_cfg``, or
    all cells of the heat-map where these are fewer.

    Args:
        model: a detector with :class:`CenterNetHead`, whose weights are loaded. It is copied, and
            the copy's batch norms are folded into the convolutions.
        detections: whether detections are outputs.
        maps: whether the head's maps are outputs, as its layers give them (the heat-map's are
            logits).
        dtype: of the network. Images, normalisation, and everything from the maps on are float32.

    Raises:
        UserInputError: a detector with another head.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        detections: bool = True,
        maps: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        detector = unwrap(model)
        head = getattr(detector, 'bbox_head', None)
        if not isinstance(head, CenterNetHead):
            raise UserInputError(
                f'only detectors with centernet_plugin.CenterNetHead can be exported; the head of '
                f'this one is {type(head).__name__}'
            )
        detector = accelerate(copy.deepcopy(detector).cpu().float(), channels_last=False)
        self.preprocessor = detector.data_preprocessor
        self.detector = detector.to(dtype).requires_grad_(False)
        self.preprocessor.float()
        self.detections, self.maps, self.dtype = detections, maps, dtype
        # Without a camera, which fields there are; with one, perhaps more.
        self.takes_camera = False
        names = list(self(*self.example()))
        self.takes_camera = True
        self.camera_fields = [name for name in self(*self.example()) if name not in names]
        self.takes_camera = bool(self.camera_fields)

    @property
    def head(self) -> CenterNetHead:
        return self.detector.bbox_head

    @property
    def size_divisor(self) -> int:
        """What the sides of the input have to be multiples of, as in training."""
        return max(getattr(self.preprocessor, 'pad_size_divisor', 1), self.head.stride)

    @property
    def topk(self) -> int:
        """K of large inputs. With ``nms``, which is not in the graph, what that starts from."""
        options = self.head.test_cfg
        if options['nms'] is not None:
            return options['topk']
        return min(options['topk'], options['max_per_img'])

    def example(self, batch: int = 2, size: tuple[int, int] | None = None, seed: int = 0) -> tuple:
        """Inputs of :meth:`forward`: noise, and some camera. ``size`` is (height, width)"""
        generator = torch.Generator().manual_seed(seed)
        size = size or (2 * self.size_divisor, 3 * self.size_divisor)
        images = torch.randint(256, (batch, 3, *size), generator=generator).float()
        if not self.takes_camera:
            return (images,)
        width = float(size[1])
        camera = [[width, 0, width / 2, 40], [0, width, size[0] / 2, 2], [0, 0, 1, 0.003]]
        return images, torch.tensor(camera).expand(batch, 3, 4).contiguous()

    def require_shape(self, shape: tuple[int, int, int] | None) -> None:
        """Fails unless the network can have inputs of a batch, height and width; None is any.

        Raises:
            UserInputError: says what the sides have to be.
        """
        divisor = self.size_divisor
        if shape is not None and any(side % divisor for side in shape[1:]):
            raise UserInputError(
                f'a height and width of {shape[1]} and {shape[2]} are no multiples of {divisor}, '
                'as this network needs'
            )

    def forward(self, images: Tensor, cam2img: Tensor | None = None) -> dict[str, Tensor]:
        """Outputs by their names.

        Args:
            images: pixels as the config's loader gives them, usually BGR of 0 to 255. Sides are
                multiples of ``size_divisor``. (B, 3, H, W), float32
            cam2img: projection of metres onto pixels of the input. (B, 3, 4), float32

        Returns:
            ``boxes`` (x1, y1, x2, y2; (B, K, 4)), ``scores`` (falling; (B, K)), ``labels`` ((B, K),
            int64) and what the branches add, (B, K, ...) each; and, if wanted, the maps, (B, D, H /
            stride, W / stride), after ``raw.`` if there are detections.
        """
        feats = self.detector.extract_feat(normalise(images, self.preprocessor).to(self.dtype))
        maps = {k: v.float() for k, v in self.head(feats, last_only=True)[-1].items()}
        outputs = self.decode(maps, cam2img) if self.detections else {}
        if self.maps:
            prefix = RAW if self.detections else ''
            outputs |= {prefix + name: value for name, value in maps.items()}
        return outputs

    def decode(self, maps: dict[str, Tensor], cam2img: Tensor | None = None) -> dict[str, Tensor]:
        """Detections of raw maps (B, D, H, W), in pixels of the input."""
        origin = maps[HEATMAP].new_zeros(1, 1, 2)
        to_image = GridToImage(self.head.stride, shift=origin, scale=origin + 1, camera=cam2img)
        activated = maps | {b.name: b.activate(maps[b.name]) for b in self.head.branches}
        kernel = self.head.test_cfg['local_maximum_kernel']
        logits, labels, cells = find_peaks(maps[HEATMAP], self.topk, kernel)
        fields = self.head.decode_fields(activated, logits.sigmoid(), labels, cells, to_image)
        fields = {RENAMED.get(name, name): value for name, value in fields.items()}
        return {name: fields[name] for name in sorted(fields, key=_place)}


def normalise(images: Tensor, preprocessor: DetDataPreprocessor) -> Tensor:
    """What a data preprocessor does to every pixel. (B, 3, H, W)"""
    if preprocessor._channel_conversion:
        images = images.flip(1)
    if preprocessor._enable_normalize:
        images = (images - preprocessor.mean) / preprocessor.std
    return images


def _place(name: str) -> int:
    return FIRST.index(name) if name in FIRST else len(FIRST)
