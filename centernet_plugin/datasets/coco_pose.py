"""COCO-format keypoint data: boxes with joints, of whatever number."""

from collections.abc import Mapping

import numpy as np
from mmdet.datasets.api_wrappers import COCO

from ..errors import UserInputError
from ..registry import DATASETS
from .coco import CocoDataset
from .fields import as_numbers
from .joints import COCO_SIGMAS, COCO_SKELETON, flip_pairs_of, joint_metainfo

JOINT_KEYS = ('keypoints', 'flip_pairs', 'skeleton', 'sigmas')


@DATASETS.register_module()
class CocoPoseDataset(CocoDataset):
    """Objects with joints from a file like COCO's ``person_keypoints_train2017.json``.

    Every instance has ``keypoints``, a (J, 2) list of x, y in pixels, NaN for joints that are not
    annotated, and ``keypoints_visible``, J numbers: 0 for not annotated, 1 for hidden, 2 for
    visible. Objects without any joint stay, and so do crowds, with ``ignore_flag`` 1. Every data
    info has ``flip_pairs``, joints that change places in a mirrored image, and ``fields``, the
    shapes of all that instances carry.

    Names, bones and flip pairs of the joints come from the file's category; ``metainfo`` may set

    - ``classes``: by default ``('person',)``.
    - ``keypoints``: names, where the file has none; else they must be the file's.
    - ``flip_pairs``: pairs of indices from 0, the left joint first; by default told from left and
      right in the names.
    - ``skeleton``: pairs of indices from 0 to draw a line between.
    - ``sigmas``: of the object keypoint similarity; by default COCO's for COCO's names and 0.067,
      their mean, for others.

    The published training uses all images with an annotation:
    ``filter_cfg=dict(filter_empty_gt=True)``.

    Args:
        metainfo: see above.
        *args, **kwargs: of CocoDataset.

    Raises:
        UserInputError: what CocoDataset raises; joints that do not fit each other; an annotation
            without keypoints, with another number of them, or with some that are not finite.
    """

    METAINFO = dict(
        classes=('person',),
        keypoints=tuple(COCO_SIGMAS),
        flip_pairs=flip_pairs_of(tuple(COCO_SIGMAS)),
        skeleton=COCO_SKELETON,
        sigmas=tuple(COCO_SIGMAS.values()),
    )

    def __init__(self, *args, metainfo: Mapping | None = None, **kwargs) -> None:
        # COCO's own joints are a mere default, those of a class derived from this one are meant.
        own = {} if self.METAINFO is CocoPoseDataset.METAINFO else self.METAINFO
        self._given = {k: v for k, v in {**own, **(metainfo or {})}.items() if k in JOINT_KEYS}
        super().__init__(*args, metainfo=metainfo, **kwargs)

    def COCOAPI(self, path: str) -> COCO:  # noqa: N802  the parent calls it by this name
        coco = super().COCOAPI(path)
        categories, classes = coco.dataset['categories'], self.metainfo['classes']
        given = self._given
        if not any(c.get('keypoints') for c in categories if c['name'] in set(classes)):
            given = dict(keypoints=self.METAINFO['keypoints']) | given
        self._metainfo.update(joint_metainfo(given, categories, classes, path))
        joints = len(self._metainfo['keypoints'])
        # Categories of a mixed file may have no joints.
        self._jointed = {c['id'] for c in categories if c.get('keypoints')}
        self.fields = self.fields | dict(keypoints=(joints, 2), keypoints_visible=(joints,))
        return coco

    def parse_data_info(self, raw_data_info: dict) -> dict:
        pairs = list(self._metainfo['flip_pairs'])
        return super().parse_data_info(raw_data_info) | dict(flip_pairs=pairs)

    def read_fields(self, ann: dict, where: str) -> dict:
        if 'keypoints' not in ann and self._jointed and ann['category_id'] not in self._jointed:
            joints = dict(keypoints=None)
        else:
            points, visible = read_joints(ann, self.fields['keypoints'][0], where)
            joints = dict(keypoints=points.tolist(), keypoints_visible=visible.tolist())
        return super().read_fields(ann | joints, where)


def read_joints(annotation: dict, count: int, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Joints of an annotation.

    Args:
        annotation: with `keypoints`, a list x, y, v, x, y, v, ... in pixels of the image.
        count: J, how many they should be.
        where: what to call the annotation in messages.

    Returns:
        x, y, NaN where v is 0, (J, 2) float64; v, (J,) int64.

    Raises:
        UserInputError: no keypoints, another number of them, positions of annotated ones that are
            not finite, or another v than 0, 1 and 2.
    """
    if annotation.get('keypoints') is None:
        raise UserInputError(
            f'{where} has no keypoints; an object whose joints are not known needs {3 * count} '
            f'zeros, or its category no joints'
        )
    rows = as_numbers(annotation['keypoints'])
    if rows is None or rows.shape != (3 * count,):
        size = 'what are no numbers' if rows is None else f'{rows.size} numbers'
        raise UserInputError(
            f'{where} has {size} for its keypoints instead of 3 x {count} numbers, x, y and v of '
            'every joint'
        )
    rows = rows.reshape(count, 3)
    points, visible = rows[:, :2].copy(), rows[:, 2]
    if not np.isin(visible, (0, 1, 2)).all():
        bad = visible[~np.isin(visible, (0, 1, 2))][0]
        raise UserInputError(
            f'{where} has a joint with v = {bad:g}, which is none of 0 (not annotated), 1 (hidden) '
            'and 2 (visible)'
        )
    if not np.isfinite(points[visible > 0]).all():
        raise UserInputError(f'{where} has joints with v > 0 whose position is not finite')
    points[visible == 0] = np.nan
    return points, visible.astype(np.int64)
