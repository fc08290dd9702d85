"""KITTI's 3D object benchmark, read from its own files and folders."""

import os.path as osp
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mmdet.datasets.base_det_dataset import BaseDetDataset
from PIL import Image

from ..errors import UserInputError
from ..registry import DATASETS
from .corrupt import CorruptImagesMixin
from .kitti_files import KittiObjects, read_camera, read_objects, read_split

TYPES = ('Pedestrian', 'Car', 'Cyclist', 'Van', 'Truck', 'Person_sitting', 'Tram', 'Misc')
FOLDERS = dict(img='training/image_2', calib='training/calib', label='training/label_2')
ALL = 'all'
# What is neither a class nor background: by type, the classes that ignore it.
IGNORED_AS = dict(Van=('Car',), Truck=('Car',), Person_sitting=('Pedestrian',), DontCare=ALL)
FIELDS = dict(depths=(), dimensions=(3,), alphas=())
PLACES = dict(locations=(3,), rotations_y=())  # what no branch learns, to look at


@DATASETS.register_module()
class KittiDataset(CorruptImagesMixin, BaseDetDataset):
    """Frames of KITTI with 2D boxes, depth of the centre, size and observation angle.

    Each frame's data info has ``img_path``, ``img_id`` (the frame's name, a string), ``height``,
    ``width``, ``cam2img`` (P2, (3, 4) float64), ``instances`` and ``fields``. Ignored instances and
    values that the file leaves open have no value in the fields, ``depths``, ``dimensions`` and
    ``alphas`` and, with ``test_mode``, ``locations`` and ``rotations_y``, to draw the truth beside
    what was found. A type that is neither a class
    nor ignored by one (Tram, Misc) is background, as published.

    Every file of the split is read when the dataset is made.

    Args:
        ann_file: list of frames.
        data_prefix: folders of images, calibrations and labels; those that are not given are
            KITTI's ``training`` ones.
        img_suffix: of the image files.
        ignored_as: by type, the classes that ignore its objects, or ``'all'``. A type that is a
            class itself is not ignored.
        kwargs: as of mmdet's BaseDetDataset, and ``on_corrupt`` as of CocoDataset; what is no image
            at all is an error at once. ``test_mode`` needs no labels. ``filter_cfg`` knows
            ``filter_empty_gt`` (leaves out frames where every object is ignored) and ``min_size``.

    Raises:
        UserInputError: a file is missing or malformed, an object has an empty box, or nothing of
            the classes is there to train on.
    """

    METAINFO = dict(
        classes=('Pedestrian', 'Car', 'Cyclist'),
        palette=[(255, 180, 60), (70, 160, 255), (110, 225, 120)],
    )

    def __init__(
        self,
        ann_file: str = 'ImageSets/train.txt',
        *,
        data_prefix: Mapping[str, str] = FOLDERS,
        img_suffix: str = '.png',
        ignored_as: Mapping[str, Sequence[str] | str] = IGNORED_AS,
        **kwargs,
    ) -> None:
        if not isinstance(data_prefix, Mapping):
            raise UserInputError(
                f'data_prefix of KittiDataset is {data_prefix!r}; set data_prefix=dict(img=..., '
                'calib=..., label=...), or some of them'
            )
        self.img_suffix, self.ignored_as = img_suffix, dict(ignored_as)
        super().__init__(ann_file=ann_file, data_prefix=FOLDERS | dict(data_prefix), **kwargs)

    def load_data_list(self) -> list[dict]:
        classes = self.metainfo['classes']
        if isinstance(classes, str):
            raise UserInputError(
                f'classes is the string {classes!r}; set metainfo=dict(classes=({classes!r},))'
            )
        if '://' not in self.ann_file and not osp.isfile(self.ann_file):
            raise UserInputError(
                f"list of frames '{self.ann_file}' does not exist; set data_root and ann_file of "
                'the dataset to where KITTI is'
            )
        data_list, seen = [], set()
        for frame in read_split(self.ann_file, backend_args=self.backend_args):
            info, types = self._load_frame(frame, classes)
            data_list.append(info)
            seen.update(types)
        known = {*TYPES, *classes, *self.ignored_as}
        for name in sorted(seen - known):  # else it would be background without a word
            meant = [other for other in known if other.lower() == name.lower()]
            if meant:
                raise UserInputError(
                    f"objects of '{self.data_prefix['label']}' are of the type {name!r}, which is "
                    f'not {meant[0]!r} here; write it as KITTI does'
                )
        unknown = [name for name in classes if name not in (*TYPES, *seen)]
        if unknown and seen:
            raise UserInputError(
                f"no object of '{self.data_prefix['label']}' is a {unknown[0]}; its types are "
                f'{", ".join(sorted(seen - {"DontCare"}))}'
            )
        if not self.test_mode and not any(map(_counts, data_list)):
            raise UserInputError(
                f"the frames of '{self.ann_file}' have no {' or '.join(classes)} to train on"
            )
        return data_list

    def filter_data(self) -> list[dict]:
        config = self.filter_cfg or {}
        if self.test_mode:
            return self.data_list
        filter_empty, smallest = config.get('filter_empty_gt', False), config.get('min_size', 0)
        kept = [
            info
            for info in self.data_list
            if (_counts(info) or not filter_empty)
            and min(info.get('height', np.inf), info.get('width', np.inf)) >= smallest
        ]
        if not kept:
            raise UserInputError(f'filter_cfg leaves none of the {len(self.data_list)} frames')
        return kept

    def _load_frame(self, frame: str, classes: Sequence[str]) -> tuple[dict, list[str]]:
        """A frame's data info, and the types of all of its objects."""
        path = self._path('img', frame, self.img_suffix)
        calib, label = self._path('calib', frame), self._path('label', frame)
        info = dict(img_path=path, img_id=frame, instances=[])
        info['fields'] = FIELDS | PLACES if self.test_mode else dict(FIELDS)
        info['cam2img'] = read_camera(calib, backend_args=self.backend_args)
        if '://' not in path:  # else it would have to be downloaded
            info['width'], info['height'] = read_size(path)
        if label is None:
            return info, []
        objects = read_objects(label, backend_args=self.backend_args)
        info['instances'] = to_instances(objects, classes, self.ignored_as, label)
        return info, objects.types

    def _path(self, kind: str, frame: str, suffix: str = '.txt') -> str | None:
        """Where a file of the frame is; None for labels that testing does without."""
        path = osp.join(self.data_prefix[kind], frame + suffix)
        if '://' in path or osp.isfile(path):
            return path
        if kind == 'label' and self.test_mode:
            return None
        name = dict(img='image', calib='calibration').get(kind, kind)
        folder, like = Path(self.data_prefix[kind]), ''
        if folder.is_dir() and (files := sorted(file.name for file in folder.iterdir())):
            like = f", or mend the line {frame} of '{self.ann_file}': there is {files[0]}"
        raise UserInputError(
            f"{name} '{path}' of frame {frame} does not exist; set data_root and "
            f'data_prefix=dict({kind}=...) of the dataset to where KITTI is{like}'
        )


def to_instances(
    objects: KittiObjects,
    classes: Sequence[str],
    ignored_as: Mapping[str, Sequence[str] | str] = IGNORED_AS,
    path: str = '',
) -> list[dict]:
    """A frame's objects as mmdet's instances.

    Args:
        objects: of a label file.
        classes: their order gives the labels.
        ignored_as: by type, the classes that ignore it, or ``'all'``.
        path: of the label file, for errors.

    Returns:
        One dict per object of a class, and one per class that ignores an object: ``bbox``
        [x1, y1, x2, y2], ``bbox_label``, ``ignore_flag`` and, unless it is ignored or the file
        leaves them open, ``depths`` (metres), ``dimensions`` [h, w, l] (metres), ``alphas``,
        ``locations`` [x, y, z] of the CENTRE (metres), ``rotations_y``.

    Raises:
        UserInputError: an object of a class has an empty box.
    """
    labels, instances = {name: i for i, name in enumerate(classes)}, []
    for i, name in enumerate(objects.types):
        bbox = objects.bboxes[i].tolist()
        if name in labels:
            if not (bbox[0] < bbox[2] and bbox[1] < bbox[3]):
                raise UserInputError(f"object {i + 1} of '{path}', a {name}, has the box {bbox}")
            instance = dict(bbox=bbox, bbox_label=labels[name], ignore_flag=0)
            instances.append(instance | _fields(objects, i))
            continue
        ignoring = ignored_as.get(name, ())
        for other in classes if ignoring == ALL else ignoring:
            if other in labels:
                instances.append(dict(bbox=bbox, bbox_label=labels[other], ignore_flag=1))
    return instances


def read_size(path: str) -> tuple[int, int]:
    """Width and height of an image from its header, which takes no longer than to open it.

    Raises:
        UserInputError: it is no image.
    """
    try:
        with Image.open(path) as image:
            return image.size
    except Exception as error:  # whatever PIL raises
        raise UserInputError(f"image '{path}' is not readable") from error


def _fields(objects: KittiObjects, i: int) -> dict:
    """What is known of an object; KITTI writes -1000, -1 and -10 for what is not."""
    fields = {}
    if objects.locations[i, 2] > -1000:
        fields['depths'] = float(objects.locations[i, 2])
    if (objects.dimensions[i] > 0).all():
        fields['dimensions'] = objects.dimensions[i].tolist()
    if objects.alphas[i] != -10:
        fields['alphas'] = float(objects.alphas[i])
    if objects.rotations_y[i] != -10:
        fields['rotations_y'] = float(objects.rotations_y[i])
    if 'depths' in fields and 'dimensions' in fields:
        x, y, z = objects.locations[i].tolist()  # of the bottom; y points down
        fields['locations'] = [x, y - fields['dimensions'][0] / 2, z]
    return fields


def _counts(info: dict) -> bool:
    """Whether any instance is not ignored."""
    return any(not instance['ignore_flag'] for instance in info['instances'])
