"""What is known of joints beyond their names: which mirror each other, bones, OKS constants."""

import functools
import logging
import re
from collections.abc import Mapping, Sequence

import numpy as np
from mmengine.logging import print_log

from ..errors import UserInputError

# COCO's, in its order, each with its constant of the object keypoint similarity.
COCO_SIGMAS = {
    'nose': 0.026,
    'left_eye': 0.025,
    'right_eye': 0.025,
    'left_ear': 0.035,
    'right_ear': 0.035,
    'left_shoulder': 0.079,
    'right_shoulder': 0.079,
    'left_elbow': 0.072,
    'right_elbow': 0.072,
    'left_wrist': 0.062,
    'right_wrist': 0.062,
    'left_hip': 0.107,
    'right_hip': 0.107,
    'left_knee': 0.087,
    'right_knee': 0.087,
    'left_ankle': 0.089,
    'right_ankle': 0.089,
}
COCO_SKELETON = (
    *((15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8)),
    *((7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6)),
)
OTHER_SIGMA = 0.067  # the mean of COCO's, for joints that nobody has measured

# How names tell the sides; the first that a name has counts, wherever it has it.
_SIDES = (
    re.compile('left|right', re.I),
    re.compile('(?<![A-Za-z])[lr](?![A-Za-z])', re.I),  # l_eye, R.Eye, eye_l
    re.compile('^[lLrR](?=[A-Z][a-z])|(?<=[a-z])[LR]$'),  # lEye, REye, eyeL, EyeR
)
# Many other words begin like this: lknee and Rknee, but lip and Root.
_PERHAPS = re.compile('^[lLrR](?=[a-z])')
_MIRRORED = dict(left='right', right='left', l='r', r='l')


def joint_metainfo(
    given: Mapping, categories: Sequence[dict], classes: Sequence[str], path: str
) -> dict:
    """Names of joints and all that belongs to them, for a dataset's metainfo.

    Args:
        given: `keypoints` (names), `flip_pairs` and `skeleton` (pairs of indices from 0, of a
            flip pair the left one first) and `sigmas`, as far as the user has set them.
        categories: of the annotation file; `keypoints` are names and `skeleton` pairs of indices
            from 1.
        classes: names of the categories that count.
        path: of the annotation file, for messages.

    Returns:
        `keypoints`, tuple of J names; `flip_pairs` and `skeleton`, tuples of pairs of indices from
        0; `sigmas`, tuple of J. What is not given comes from the file's category, or from the
        names: COCO's constants for COCO's names, the mean of them for others.

    Raises:
        UserInputError: categories with different joints, no names, or what does not fit them.
    """
    named = [c for c in categories if c['name'] in set(classes) and c.get('keypoints')]
    for category in named:
        if not isinstance(category['keypoints'], (list, tuple)):
            raise UserInputError(
                f"keypoints of the category {category['name']!r} in '{path}' are no list of names: "
                f'{category["keypoints"]!r}'
            )
        if category['keypoints'] != named[0]['keypoints']:
            raise UserInputError(
                f"classes {named[0]['name']!r} and {category['name']!r} in '{path}' have different "
                'joints; set metainfo=dict(classes=...) to classes with the same'
            )
    in_file = tuple(named[0]['keypoints']) if named else ()
    names = tuple(given.get('keypoints') or in_file)
    if not names:
        raise UserInputError(
            f"no category in '{path}' names its joints; set metainfo=dict(keypoints=(names, ...))"
        )
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise UserInputError(f'the names of joints are not all different texts: {names!r}')
    if in_file and names != in_file:
        same = sorted(names) == sorted(map(str, in_file))
        raise UserInputError(
            f'keypoints of metainfo are {"in another order than" if same else "not those"} in '
            f"'{path}'; leave them out, or set metainfo=dict(keypoints={in_file!r})"
        )
    if 'skeleton' in given:
        skeleton = _pairs(given['skeleton'], len(names), 0, 'skeleton of metainfo')
    elif named:
        skeleton = _pairs(named[0].get('skeleton') or (), len(names), 1, f"skeleton in '{path}'")
    else:
        skeleton = COCO_SKELETON if names == tuple(COCO_SIGMAS) else ()
    if 'flip_pairs' in given:
        what = 'flip_pairs of metainfo'
        flip_pairs = _exclusive(_pairs(given['flip_pairs'], len(names), 0, what), what)
    else:
        flip_pairs = flip_pairs_of(names)
        if names != tuple(COCO_SIGMAS):
            _log_pairs(names, flip_pairs)
    sigmas = given.get('sigmas', [COCO_SIGMAS.get(name, OTHER_SIGMA) for name in names])
    sigmas = tuple(float(sigma) for sigma in sigmas)
    if len(sigmas) != len(names) or not all(0 < sigma < np.inf for sigma in sigmas):
        raise UserInputError(
            f'sigmas of metainfo are not {len(names)} positive numbers, one per joint: {sigmas}'
        )
    return dict(keypoints=names, flip_pairs=flip_pairs, skeleton=skeleton, sigmas=sigmas)


def flip_pairs_of(names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Indices (left, right) of joints that mirror each other, by left and right in their names.

    Understands words, `left_eye`, `eye-right`, `LeftEye`, and letters, `l_eye`, `R.Eye`, `lEye`,
    `EyeL`, and `lknee` where there is an `rknee`. A mirror exchanges all of them in a name: the
    `left_eye_right_corner` becomes the `right_eye_left_corner`.

    Raises:
        UserInputError: a side without the other, which a mirrored image would label wrongly, or
            names that differ in nothing but capitals.
    """
    places, pairs = {name.lower(): i for i, name in enumerate(names)}, []
    if len(places) < len(names):
        raise UserInputError(
            f'names of joints differ in capitals only: {tuple(names)}; set metainfo=dict('
            'flip_pairs=[(left, right), ...])'
        )
    for i, name in enumerate(names):
        sides = next((sides for sides in _SIDES if sides.search(name)), _PERHAPS)
        if not (first := sides.search(name)):
            continue
        mirrored = sides.sub(lambda side: _MIRRORED[side.group().lower()], name).lower()
        if mirrored in places:
            if first.group().lower() in ('left', 'l'):
                pairs.append((i, places[mirrored]))
        elif sides is not _PERHAPS:
            raise UserInputError(
                f'joint {name!r} has no counterpart on the other side; set metainfo=dict('
                'flip_pairs=[(left, right), ...]), indices from 0 of joints that mirror each other'
            )
    return _exclusive(tuple(pairs), f'flip pairs told from the names {tuple(names)}')


def _exclusive(pairs: tuple[tuple[int, int], ...], what: str) -> tuple[tuple[int, int], ...]:
    joints = [joint for pair in pairs for joint in pair]
    if len(set(joints)) < len(joints):
        raise UserInputError(f'{what} name a joint twice: {pairs}')
    return pairs


@functools.cache  # the sets of a run have the same joints
def _log_pairs(names: tuple[str, ...], pairs: tuple[tuple[int, int], ...]) -> None:
    if pairs:
        told = ', '.join(f'{names[left]} / {names[right]}' for left, right in pairs)
        print_log(f'Joints that a mirror exchanges, told from their names: {told}', 'current')
    else:
        print_log(
            'No names of joints tell left from right, so a mirror exchanges none; if it should, '
            f'set metainfo=dict(flip_pairs=[(left, right), ...]), indices from 0 of {names}',
            'current',
            logging.WARNING,
        )


def _pairs(pairs, count: int, first: int, what: str) -> tuple[tuple[int, int], ...]:
    """Pairs of different indices of ``count`` joints, which begin with ``first``, from 0."""
    try:
        pairs = [(int(a), int(b)) for a, b in pairs]
    except (TypeError, ValueError, OverflowError):  # the last of infinity
        raise UserInputError(f'{what} is no list of pairs of joints: {pairs!r}') from None
    for pair in pairs:
        if pair[0] == pair[1] or not all(first <= i < first + count for i in pair):
            raise UserInputError(
                f'{what} has the pair {pair}, which is not two of the joints {first} to '
                f'{first + count - 1}'
            )
    return tuple((a - first, b - first) for a, b in pairs)
