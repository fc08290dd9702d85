"""Images as the network sees them in a test, to find the range of its values by."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from mmcv.transforms import Compose
from mmdet.registry import TRANSFORMS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from ..apis.frames import IMAGES
from ..engine.test_modes import test_pipeline
from ..errors import UserInputError


class CalibrationImages:
    """Images of a folder, through a config's test pipeline, as inputs of an exported graph.

    Args:
        config: with a ``test_pipeline``.
        folder: of images.
        count: so many of them, spread over the folder.

    Raises:
        UserInputError: no such folder, no image in it, or no test pipeline.
    """

    def __init__(self, config: Config, folder: str | Path, count: int = 64) -> None:
        if not Path(folder).is_dir():
            raise UserInputError(f"there is no folder '{folder}' of images to quantise by")
        paths = sorted(p for p in Path(folder).rglob('*') if p.suffix.lower() in IMAGES)
        if not paths:
            raise UserInputError(f"folder '{folder}' has no images ({', '.join(IMAGES)})")
        steps = test_pipeline(config)
        if not steps:
            raise UserInputError('the config has no test_pipeline, which says how images are fed')
        if count < 1:
            raise UserInputError(f'quantising needs an image at least, not {count}')
        every = max(len(paths) / count, 1)
        self.paths = [paths[int(i * every)] for i in range(min(count, len(paths)))]
        init_default_scope(config.get('default_scope', 'mmdet'))
        self.pipeline = Compose([TRANSFORMS.build(step) for step in steps])

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Pixels of one image after the other. (1, 3, H, W), float32

        Raises:
            UserInputError: one of them cannot be read, or does not go through the pipeline.
        """
        for path in self.paths:
            try:
                packed = self.pipeline(dict(img_path=str(path), img_id=0))
            except (cv2.error, ValueError) as error:
                raise UserInputError(f"image '{path}' cannot be used: {error}") from error
            if packed is None:
                raise UserInputError(f"the test pipeline gives nothing of image '{path}'")
            yield packed['inputs'].float().numpy()[None]


def pad(images: np.ndarray, divisor: int, pixel: list[float]) -> np.ndarray:
    """Sides enlarged to multiples of a number, at the right and bottom. (B, 3, H, W)"""
    batch, channels, *size = images.shape
    height, width = (-(-side // divisor) * divisor for side in size)
    result = np.empty((batch, channels, height, width), images.dtype)
    result[:] = np.array(pixel, images.dtype)[:, None, None]
    result[:, :, : size[0], : size[1]] = images
    return result
