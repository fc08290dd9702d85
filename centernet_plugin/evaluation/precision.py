"""The numbers of an evaluation: average precision of all, by class, by size and by IoU."""

import numpy as np
from pycocotools.cocoeval import COCOeval

SIZES = ('small', 'medium', 'large')
# Places of pycocotools' summary.
SUMMARY = {'AP': 0, 'AP50': 1, 'AP75': 2, **{f'AP_{size}': 3 + i for i, size in enumerate(SIZES)}}


def overall(evaluation: COCOeval) -> dict[str, float]:
    """``AP``, ``AP50``, ``AP75``, by size ``AP_small`` and so on, and the average recall ``AR``.

    The same numbers as of mmdet's ``CocoMetric``, unrounded; NaN where it says -1: no object.
    """
    values = {name: _defined(evaluation.stats[place]) for name, place in SUMMARY.items()}
    return values | {'AR': _mean(evaluation.eval['recall'][:, :, 0, -1])}


def by_iou(evaluation: COCOeval) -> dict[str, float]:
    """AP at every IoU threshold by itself, ``'0.50'`` to ``'0.95'``."""
    thresholds = evaluation.params.iouThrs
    curves = evaluation.eval['precision'][:, :, :, 0, -1]
    return {f'{t:.2f}': _mean(curve) for t, curve in zip(thresholds, curves, strict=True)}


def by_class(evaluation: COCOeval) -> list[dict[str, float]]:
    """For every class what :func:`overall` has for all, less the recall, as ``classwise`` does."""
    precision = evaluation.eval['precision'][..., -1]  # (T, R, K, A)
    at = {t: np.isclose(evaluation.params.iouThrs, t) for t in (0.5, 0.75)}
    return [
        {
            'AP': _mean(precision[:, :, k, 0]),
            'AP50': _mean(precision[at[0.5], :, k, 0]),
            'AP75': _mean(precision[at[0.75], :, k, 0]),
            **{f'AP_{size}': _mean(precision[:, :, k, 1 + i]) for i, size in enumerate(SIZES)},
        }
        for k in range(precision.shape[2])
    ]


def object_counts(evaluation: COCOeval) -> np.ndarray:
    """Objects that count, by class and size. (K, 4): all, small, medium, large.

    One on the border of two sizes counts in both, as it does in the AP.
    """
    counts = [0 if e is None else np.count_nonzero(e['gtIgnore'] == 0) for e in evaluation.evalImgs]
    classes, areas = len(evaluation.params.catIds), len(evaluation.params.areaRng)
    return np.array(counts, int).reshape(classes, areas, -1).sum(2)


def precision_recall(evaluation: COCOeval, iou: float) -> tuple[np.ndarray, np.ndarray]:
    """Precision at 101 recalls from 0 to 1.

    Returns:
        Recalls (R,) and precisions (K, R), NaN for a class without objects.
    """
    at = int(np.argmin(np.abs(evaluation.params.iouThrs - iou)))
    curves = evaluation.eval['precision'][at, :, :, 0, -1].T
    return evaluation.params.recThrs, np.where(curves > -1, curves, np.nan)


def _mean(values: np.ndarray) -> float:
    """Of what is not -1."""
    values = values[values > -1]
    return float(values.mean()) if values.size else float('nan')


def _defined(value: float) -> float:
    return float(value) if value > -1 else float('nan')
