"""KITTI's average precision for mmengine's evaluator."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from ...arrays import to_numpy
from ...datasets.kitti_files import KittiObjects, read_objects, write_objects
from ...errors import UserInputError
from ...registry import METRICS
from .evaluate import IMAGE_METRICS, OVERLAPS, SPACE_METRICS, evaluate
from .report import flat_numbers, table

# Fields of the predictions with the shape of one value and what KITTI's files say for unknown.
SPACE_FIELDS = {'dimensions': ((3,), -1), 'locations': ((3,), -1000), 'rotations_y': ((), -10)}
FIELDS = {'alphas': ((), -10), **SPACE_FIELDS}


@METRICS.register_module()
class KittiMetric(BaseMetric):
    """KITTI's object benchmark: boxes in the image, orientation, boxes on the ground, in space.

    Logs a table of all numbers and returns the main ones, in percent; ``kitti/3d_mAP40_moderate``
    (of a 2D model ``kitti/bbox_mAP40_moderate``) comes first. A model without 3D branches, whose
    predictions have no ``locations``, gets the numbers in the image only, and orientation only
    where they have ``alphas``. Classes without objects are NaN and do not enter a mean. Only the
    images that the evaluator saw count, each with all of its objects.

    Over more than 40 objects the numbers are those of KITTI's devkit. Over fewer they are higher:
    plain interpolated precision, 100 for a perfect detector, which the devkit gives 22.5 at 10
    objects and 70 at 29 (see :func:`~.average_precision.sample_thresholds`). The table says where.

    Args:
        label_dir: folder of the label files, ``<img_id>.txt``; needed unless ``format_only``.
        overlaps: least overlaps by class, see :func:`~.evaluate.evaluate`: the first of a class
            for everything, further ones on the ground and in space. Classes of the dataset that
            are not in it are not evaluated.
        detailed: return all numbers of the table.
        outfile_prefix: folder for KITTI's result files, ``<img_id>.txt``; None for none.
        format_only: write the files and evaluate nothing, for a test set without labels.
        collect_device, prefix, collect_dir: as of ``BaseMetric``.

    Raises:
        UserInputError: arguments that do not belong together, no such folder, or overlaps that are
            outside of [0, 1) or do not fall.
    """

    default_prefix = 'kitti'

    def __init__(
        self,
        label_dir: str | None = None,
        *,
        overlaps: Mapping[str, float | Sequence[float]] = OVERLAPS,
        detailed: bool = False,
        outfile_prefix: str | None = None,
        format_only: bool = False,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        if format_only and outfile_prefix is None:
            raise UserInputError('KittiMetric with format_only=True needs an outfile_prefix')
        if label_dir is None and not format_only:
            raise UserInputError("KittiMetric needs label_dir, the folder of KITTI's label files")
        self.label_dir = label_dir
        self.overlaps = {name: _overlaps(name, value) for name, value in overlaps.items()}
        self.detailed = detailed
        self.outfile_prefix = outfile_prefix
        self.format_only = format_only
        if not format_only and not Path(label_dir).is_dir():
            raise UserInputError(
                f"folder '{label_dir}', label_dir of KittiMetric, does not exist; set it to where "
                "KITTI's label files are"
            )

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        """Keeps the predictions of a batch.

        Args:
            data_batch: not used.
            data_samples: each with ``img_id`` and ``pred_instances``, whose tensors are
                ``bboxes`` (K, 4) x1, y1, x2, y2 in pixels of the original image, ``labels`` (K,),
                ``scores`` (K,), and of a 3D model ``alphas`` (K,), ``dimensions`` (K, 3) height,
                width, length, ``locations`` (K, 3) of the CENTRES and ``rotations_y`` (K,).
        """
        for sample in data_samples:
            found = sample['pred_instances']
            names = ['bboxes', 'labels', 'scores', *(name for name in FIELDS if name in found)]
            arrays = {name: to_numpy(found[name]) for name in names}
            self.results.append((str(sample['img_id']), arrays))

    def compute_metrics(self, results: list[tuple[str, dict]]) -> dict[str, float]:
        """Writes files where asked, evaluates and logs the table.

        Raises:
            UserInputError: no class is in ``overlaps``; a label file is absent or malformed.
        """
        classes = self.dataset_meta['classes']
        detections = [predicted_objects(arrays, classes) for _, arrays in results]
        if self.outfile_prefix is not None:
            folder = Path(self.outfile_prefix)
            folder.mkdir(parents=True, exist_ok=True)
            for (frame, _), objects in zip(results, detections, strict=True):
                write_objects(folder / f'{frame}.txt', objects)
            print_log(f"KITTI's result files are in '{folder}'", logger='current')
        if self.format_only:
            return {}
        overlaps = {name: self.overlaps[name] for name in classes if name in self.overlaps}
        if not overlaps:
            raise UserInputError(
                f'KittiMetric has overlaps for {", ".join(self.overlaps)}, but the dataset has the '
                f'classes {", ".join(classes)}'
            )
        truths = [read_objects(Path(self.label_dir, f'{frame}.txt')) for frame, _ in results]
        metrics = available_metrics([arrays for _, arrays in results])
        numbers = evaluate(truths, detections, overlaps=overlaps, metrics=metrics)
        print_log('\n' + table(numbers, len(results)), logger='current')
        return flat_numbers(numbers, detailed=self.detailed)


def available_metrics(predictions: Sequence[dict]) -> list[str]:
    """Which metrics all predictions have the fields for."""
    common = [name for name in FIELDS if all(name in p for p in predictions)]
    image = IMAGE_METRICS if 'alphas' in common else IMAGE_METRICS[:1]
    return [*image, *(SPACE_METRICS if set(SPACE_FIELDS) <= set(common) else ())]


def predicted_objects(arrays: Mapping[str, np.ndarray], classes: Sequence[str]) -> KittiObjects:
    """Predictions of an image in KITTI's terms.

    Args:
        arrays: fields of the predictions, see :meth:`KittiMetric.process`.
        classes: names by label.

    Returns:
        The same rows; locations moved down to the bottom, absent fields as KITTI's files say it.
    """
    count = len(arrays['scores'])
    values = {
        name: np.array(arrays[name], np.float64)
        if name in arrays
        else np.full((count, *shape), unknown, np.float64)
        for name, (shape, unknown) in FIELDS.items()
    }
    if 'locations' in arrays and 'dimensions' in arrays:
        values['locations'][:, 1] += values['dimensions'][:, 0] / 2  # y points down
    return KittiObjects(
        types=[classes[label] for label in arrays['labels']],
        truncated=np.full(count, -1.0),
        occluded=np.full(count, -1),
        bboxes=np.asarray(arrays['bboxes'], np.float64),
        scores=np.asarray(arrays['scores'], np.float64),
        **values,
    )


def _overlaps(name: str, value: float | Sequence[float]) -> tuple[float, ...]:
    values = tuple(value) if isinstance(value, Sequence) else (value,)
    falling = sorted(set(values), reverse=True)
    if not values or not all(0 <= v < 1 for v in values) or list(values) != falling:
        raise UserInputError(
            f'overlaps of {name} in KittiMetric are {value!r}, but must be different numbers from '
            '0 to below 1, the strictest first'
        )
    return values
