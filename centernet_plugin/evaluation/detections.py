"""The detections of a test set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import UserInputError
from .ground_truth import GroundTruth


@dataclass(frozen=True)
class Detections:
    """All detections of a test set, image after image.

    Attributes:
        images: place of the image in the test set. (D,)
        boxes: x, y, width, height in pixels of the original image, as in COCO. (D, 4)
        labels: class indices. (D,)
        scores: (D,)
    """

    images: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray

    @classmethod
    def from_predictions(cls, predictions: Sequence[dict]) -> 'Detections':
        """Of what :func:`~centernet_plugin.evaluation.read_predictions` gives."""
        parts = [p['pred_instances'] for p in predictions]
        corners = _joined([p['bboxes'] for p in parts], np.float64).reshape(-1, 4)
        return cls(
            images=np.repeat(np.arange(len(parts)), [len(p['scores']) for p in parts]),
            boxes=np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1),
            labels=_joined([p['labels'] for p in parts], np.int64),
            scores=_joined([p['scores'] for p in parts], np.float64),
        )


def require_same_set(predictions: Sequence[dict], truth: GroundTruth, path: str) -> None:
    """Fails unless the predictions are of the test set, image by image.

    Args:
        predictions: as of :func:`~centernet_plugin.evaluation.read_predictions`.
        truth: of the test set.
        path: where the predictions come from, for the message.

    Raises:
        UserInputError: another number of images, another image at a place, or a class that the
            test set has not.
    """
    if len(predictions) != len(truth.ids):
        raise UserInputError(
            f"'{path}' has predictions for {len(predictions)} images, but the config's test set "
            f'has {len(truth.ids)}; was it made with another config or other --cfg-options?'
        )
    for place, (prediction, expected) in enumerate(zip(predictions, truth.ids, strict=True)):
        given = prediction.get('img_id', expected)  # absent where meta_keys leave it out
        if str(given) != str(expected):
            raise UserInputError(
                f"image {place} has the id {given!r} in '{path}', but {expected!r} in the config's "
                'test set; was it made with another config?'
            )
        labels = prediction['pred_instances']['labels']
        wrong = labels[(labels < 0) | (labels >= len(truth.classes))]
        if len(wrong):
            raise UserInputError(
                f"'{path}' has class number {wrong[0]}, but the config's test set has only "
                f'{len(truth.classes)} classes'
            )


def _joined(arrays: Sequence[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype), *(np.asarray(a, dtype).ravel() for a in arrays)])
