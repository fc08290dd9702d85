"""The images and objects of a set as arrays, so that statistics need no loop over objects."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass
class Annotations:
    """Images and objects.

    Legend: I images, N objects.

    Attributes:
        paths: file of each image. I
        ids: identifier of each image. I
        sizes: (width, height) as the annotations say, 0 where they do not. (I, 2), int64
        image: image of each object, an index; -1 for one that is not there. (N,), int64
        boxes: x1, y1, x2, y2 in pixels of the image. (N, 4), float64
        labels: class of each object, an index; -1 for one that is not there. (N,), int64
        ignored: whether the loader marks it as a crowd or otherwise to be ignored. (N,), bool
        classes: names.
    """

    paths: list[str]
    ids: list
    sizes: np.ndarray
    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    ignored: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        """Number of images."""
        return len(self.paths)

    def select(self, keep: np.ndarray) -> 'Annotations':
        """The same images with some of the objects. keep: (N,), bool or indices"""
        return Annotations(
            paths=self.paths,
            ids=self.ids,
            sizes=self.sizes,
            image=self.image[keep],
            boxes=self.boxes[keep],
            labels=self.labels[keep],
            ignored=self.ignored[keep],
            classes=self.classes,
        )

    def describe(self, index: int) -> str:
        """Image, class and box of an object, for a person."""
        i, label = self.image[index], self.labels[index]
        path = self.paths[i] if i >= 0 else 'no image'
        name = self.classes[label] if 0 <= label < len(self.classes) else 'no class'
        box = ', '.join(f'{value:g}' for value in np.round(self.boxes[index], 2))
        return f'{path}: {name} [{box}]'

    @classmethod
    def join(cls, parts: Sequence['Annotations']) -> 'Annotations':
        """Several sets as one; classes of the same name are the same.

        Raises:
            ValueError: there is none.
        """
        classes = tuple(dict.fromkeys(name for part in parts for name in part.classes))
        number = {name: i for i, name in enumerate(classes)}
        images, labels, first = [], [], 0
        for part in parts:
            images.append(np.where(part.image < 0, -1, part.image + first))
            # One entry more, so that the label -1 stays -1.
            label_of = np.array([*(number[name] for name in part.classes), -1], np.int64)
            labels.append(label_of[part.labels])
            first += len(part)
        return cls(
            paths=[path for part in parts for path in part.paths],
            ids=[i for part in parts for i in part.ids],
            sizes=np.concatenate([part.sizes for part in parts]),
            image=np.concatenate(images),
            boxes=np.concatenate([part.boxes for part in parts]),
            labels=np.concatenate(labels),
            ignored=np.concatenate([part.ignored for part in parts]),
            classes=classes,
        )


def read_loaded(dataset) -> Annotations:
    """What a dataset of mmengine's kind holds after it loaded and filtered.

    Args:
        dataset: without wrapper; ``get_data_info`` gives ``img_path``, ``img_id``, ``width``,
            ``height`` and ``instances`` with ``bbox``, ``bbox_label`` and ``ignore_flag``.
    """
    paths, ids, sizes, counts = [], [], [], []
    boxes, labels, ignored = [], [], []
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        paths.append(info['img_path'])
        ids.append(info.get('img_id', i))
        sizes.append((info.get('width') or 0, info.get('height') or 0))
        instances = info.get('instances', ())
        counts.append(len(instances))
        boxes.extend(x['bbox'] for x in instances)
        labels.extend(x['bbox_label'] for x in instances)
        ignored.extend(x.get('ignore_flag', 0) for x in instances)
    return Annotations(
        paths=paths,
        ids=ids,
        sizes=np.array(sizes, np.int64).reshape(-1, 2),
        image=np.repeat(np.arange(len(paths)), counts),
        boxes=np.array(boxes, np.float64).reshape(-1, 4),
        labels=np.array(labels, np.int64),
        ignored=np.array(ignored, bool),
        classes=class_names(dataset),
    )


def class_names(dataset) -> tuple[str, ...]:
    """Class names of a dataset; of the first part where joined ones differ."""
    info = dataset.metainfo
    if isinstance(info, list):  # mmdet's ConcatDataset
        info = info[0]
    classes = info.get('classes') or ()
    return (classes,) if isinstance(classes, str) else tuple(classes)
