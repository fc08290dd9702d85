"""Loading of large photographs for crops that shrink them."""

import io
import warnings

import cv2
import mmengine.fileio as fileio
import numpy as np
from mmcv.transforms import LoadImageFromFile
from PIL import Image

from ...errors import UserInputError
from ...registry import TRANSFORMS
from .pending_image import PendingImage

ORIENTATION = 0x0112  # the tag of EXIF
REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
}


@TRANSFORMS.register_module()
class LoadEncodedImage(LoadImageFromFile):
    """Read a JPEG file, and let ``RandomCropAffine(resample='resize')`` decode it.

    Where the crop shrinks the image to a half, a quarter or an eighth, JPEG gives it at that size
    in half the time of all pixels, and averaged instead of with pixels left out. For photographs
    of more than about 1000 pixels; of smaller ones it gives the same as LoadImageFromFile.

    Everything but JPEG is decoded at once. Size and orientation are those of the file, not of the
    annotations.

    Modified keys: ``img`` (an :class:`EncodedImage`), ``img_shape``, ``ori_shape``.

    Args:
        backend_args: as of mmcv's LoadImageFromFile.
    """

    def __init__(self, *, backend_args: dict | None = None) -> None:
        super().__init__(backend_args=backend_args)

    def transform(self, results: dict) -> dict | None:
        data = fileio.get(results['img_path'], backend_args=self.backend_args)
        image = read_header(data, results['img_path'])
        if image is None:
            return super().transform(results)
        results['img'] = image
        results['img_shape'] = results['ori_shape'] = image.full_shape
        return results


class EncodedImage(PendingImage):
    """A JPEG file.

    Attributes:
        data: the file.
        full_shape: (height, width) as it will be decoded, turned as EXIF says.
        upright: whether EXIF leaves it as it is.
        path: of the file.
    """

    remedy = (
        'LoadEncodedImage needs RandomCropAffine to be the first step that touches the image; use '
        'LoadImageFromFile before any other'
    )

    def __init__(self, data: bytes, full_shape: tuple[int, int], upright: bool, path: str) -> None:
        self.data, self.full_shape, self.upright, self.path = data, full_shape, upright, path

    def decode(self, reduction: float = 1.0) -> tuple[np.ndarray, int]:
        """The image, at the smallest size that JPEG offers from 1 / ``reduction`` on.

        Returns:
            Image, uint8 (H, W, 3) in BGR, and the side in full pixels of each of its pixels, of
            which those at the right and bottom edge may be partly outside. It is of another shape
            than ``full_shape`` where OpenCV reads the file otherwise than its header says.

        Raises:
            UserInputError: the file is broken.
        """
        data = np.frombuffer(self.data, np.uint8)
        for factor, flag in REDUCED.items():
            # Pixels partly outside would be at the left or top of an image that is turned.
            whole = not any(side % factor for side in self.full_shape)
            if factor <= reduction and (self.upright or whole):
                image = cv2.imdecode(data, flag)
                expected = tuple(-(-side // factor) for side in self.full_shape)
                if image is not None and image.shape[:2] == expected:
                    return image, factor
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
        if image is None:
            raise UserInputError(f"image '{self.path}' is not readable")
        return image, 1


def read_header(data: bytes, path: str = '') -> EncodedImage | None:
    """What a file holds; None if it is no JPEG, or none that PIL understands."""
    if data[:3] != b'\xff\xd8\xff':
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # very large images, odd metadata
            with Image.open(io.BytesIO(data)) as image:
                width, height = image.size
                exif = image.getexif() if 'exif' in image.info else {}
                orientation = exif.get(ORIENTATION, 1)
    except Exception:  # whatever PIL raises; OpenCV may read it
        return None
    shape = (width, height) if orientation in (5, 6, 7, 8) else (height, width)
    return EncodedImage(data, shape, orientation not in range(2, 9), path)
