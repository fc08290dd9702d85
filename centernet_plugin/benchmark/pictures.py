"""Image files to load: the user's, or generated ones."""

import json
import tempfile
from functools import cached_property
from pathlib import Path

from ..datasets.synthetic import generate
from ..errors import UserInputError

SIZE = (480, 640)  # height and width of the generated, the most frequent size in COCO


class Pictures:
    """A COCO-format set, by default one of JPEGs of 640 x 480 that is drawn when first needed.

    Args:
        data_root: folder of a set; None generates one, in a temporary folder.
        ann_file: its annotations, below ``data_root``.
        image_folder: its images, below ``data_root``.
        count: how many images count: the first ones.

    Raises:
        UserInputError: there is no such set.
    """

    def __init__(
        self,
        data_root: Path | str | None = None,
        ann_file: str = 'annotations/instances_train.json',
        image_folder: str = 'train/',
        *,
        count: int = 32,
    ) -> None:
        self._root = data_root
        self.ann_file, self.image_folder, self.count = ann_file, image_folder, count
        if data_root is not None:
            for path in (Path(data_root, ann_file), Path(data_root, image_folder)):
                if not path.exists():
                    raise UserInputError(f"'{path}' does not exist")

    @property
    def generated(self) -> bool:
        return self._root is None

    @cached_property
    def root(self) -> Path:
        """The folder of the set."""
        if self._root is not None:
            return Path(self._root)
        self._folder = tempfile.TemporaryDirectory()  # lives as long as this object
        return generate(
            self._folder.name, num_train=self.count, num_val=1, image_size=SIZE, progress=False
        )

    @cached_property
    def files(self) -> list[str]:
        """Paths of the image files."""
        images = self._annotations['images'][: self.count]
        return [str(self.root / self.image_folder / image['file_name']) for image in images]

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(category['name'] for category in self._annotations['categories'])

    @cached_property
    def _annotations(self) -> dict:
        return json.loads((self.root / self.ann_file).read_text())
