"""COCO's keypoint AP, for any number of joints."""

import contextlib
import io
import json
import os.path as osp
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mmdet.datasets.api_wrappers import COCO, COCOeval
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from ..arrays import to_numpy
from ..datasets.coco import ANNOTATION_KEYS, require_keys
from ..errors import UserInputError
from ..registry import METRICS

NAMES = (
    *('mAP', 'mAP_50', 'mAP_75', 'mAP_m', 'mAP_l'),  # as mmdet's CocoMetric calls them
    *('AR', 'AR_50', 'AR_75', 'AR_m', 'AR_l'),
)
SCORE_MODES = ('bbox', 'bbox_keypoint')


@METRICS.register_module()
class KeypointMetric(BaseMetric):
    """Average precision by object keypoint similarity (OKS), counted by pycocotools.

    Gives ``coco/keypoints_mAP``, the mean over OKS 0.5 to 0.95, ``_mAP_50``, ``_mAP_75``,
    ``_mAP_m`` and ``_mAP_l`` (areas of 32**2 to 96**2 pixels, and above), and ``_AR`` likewise; -1
    where there are no such objects. Classes are told apart, their mean counts. The 20 best
    detections of an image and class count, and objects without a visible joint do not.

    Predictions are read from ``pred_instances``: ``bboxes`` (K, 4), ``scores`` (K,), ``labels``
    (K,), ``keypoints`` (K, J, 2) in pixels of the original image and, if there, ``keypoint_scores``
    (K, J). A joint that is NaN is taken to be at the centre of the box, with score 0.

    The constants of OKS come from ``sigmas`` of the dataset's metainfo, as CocoPoseDataset has
    them; COCO's if there are none and J is 17.

    Args:
        ann_file: COCO's format with keypoints.
        score_mode: 'bbox' ranks by the score of the box, as published; 'bbox_keypoint' by its
            product with the mean score of the joints.
        format_only: write results and count nothing.
        outfile_prefix: write ``{outfile_prefix}.keypoints.json``, the results in COCO's format,
            with all digits.
        collect_device: see mmengine's BaseMetric.
        prefix: likewise; 'coco' by default.

    Raises:
        UserInputError: no such file, nothing in it to count, another ``score_mode``, results that
            are to be written nowhere, or joints that do not match.
    """

    default_prefix = 'coco'

    def __init__(
        self,
        ann_file: str,
        *,
        score_mode: str = 'bbox',
        format_only: bool = False,
        outfile_prefix: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if score_mode not in SCORE_MODES:
            raise UserInputError(f'score_mode is one of {SCORE_MODES}, got {score_mode!r}')
        if format_only and outfile_prefix is None:
            raise UserInputError('format_only=True writes results: say where, by outfile_prefix')
        self.score_mode, self.format_only = score_mode, format_only
        self.outfile_prefix = outfile_prefix
        self.coco = read_truth(ann_file)

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            pred = sample['pred_instances']
            if 'keypoints' not in pred:
                raise UserInputError(
                    'predictions have no keypoints: KeypointMetric is for a head that finds joints'
                )
            names = ('bboxes', 'scores', 'labels', 'keypoints', 'keypoint_scores')
            arrays = {name: to_numpy(pred[name]) for name in names if name in pred}
            self.results.append((sample['img_id'], arrays))

    def compute_metrics(self, results: list) -> dict[str, float]:
        category_ids = self.coco.get_cat_ids(cat_names=self.dataset_meta['classes'])
        rows = [
            row
            for img_id, prediction in results
            for row in result_rows(img_id, prediction, category_ids, self.score_mode)
        ]
        if self.outfile_prefix is not None:
            path = Path(f'{self.outfile_prefix}.keypoints.json')
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(rows))
        if self.format_only:
            return {}
        if not rows:
            MMLogger.get_current_instance().warning('There is no detection at all to count.')
        sigmas = oks_sigmas(self.coco, rows, self.dataset_meta)
        values, table = evaluate(self.coco, rows, category_ids, sigmas)
        MMLogger.get_current_instance().info('\n' + table)
        return {f'keypoints_{name}': value for name, value in zip(NAMES, values, strict=True)}


def read_truth(path: str) -> COCO:
    """Annotations of a keypoint file; the number of visible joints is counted where it lacks.

    Raises:
        UserInputError: no such file, not COCO's format, or an annotation without keypoints or
            another of the keys that pycocotools counts by.
    """
    if not osp.isfile(path):
        raise UserInputError(f"annotation file '{path}' of KeypointMetric does not exist")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(path)
        annotations = coco.dataset['annotations']
        jointed = {c['id'] for c in coco.dataset['categories'] if c.get('keypoints')}
    except (ValueError, KeyError, AssertionError) as error:
        raise UserInputError(
            f"'{path}' is not a COCO annotation file to count by: {error!r}"
        ) from error
    require_keys('annotation', annotations, ANNOTATION_KEYS)
    for ann in annotations:
        if ann.get('keypoints') is None:
            if not jointed or ann['category_id'] in jointed:
                raise UserInputError(f"annotation {ann['id']} in '{path}' has no keypoints")
            ann['keypoints'] = []
        ann.setdefault('num_keypoints', int(np.count_nonzero(ann['keypoints'][2::3])))
    return coco


def result_rows(
    img_id: int, prediction: Mapping[str, np.ndarray], category_ids: Sequence[int], score_mode: str
) -> list[dict]:
    """Predictions of an image in COCO's result format, of Python's numbers with all digits.

    Boxes are among them, because pycocotools takes the area of a detection from its box then, as in
    the published evaluation, and from its joints otherwise.
    """
    points = prediction['keypoints'].astype(np.float64)
    joint_scores = prediction.get('keypoint_scores', np.ones(points.shape[:2])).astype(np.float64)
    scores = prediction['scores'].astype(np.float64)
    if score_mode == 'bbox_keypoint' and points.size:
        scores = scores * np.nan_to_num(joint_scores).mean(1)
    triples = np.concatenate([points, joint_scores[..., None]], axis=2)
    boxes = prediction['bboxes'].astype(np.float64)
    # COCOeval takes NaN for a hit. The centre, because an object without annotated joints, which
    # is not to count, is told by joints near its box.
    centers = np.column_stack([(boxes[:, :2] + boxes[:, 2:]) / 2, np.zeros(len(boxes))])
    triples = np.where(np.isfinite(triples).all(2)[..., None], triples, centers[:, None])
    return [
        dict(
            image_id=img_id,
            category_id=category_ids[label],
            bbox=[x1, y1, x2 - x1, y2 - y1],
            score=score,
            keypoints=joints,
        )
        for label, (x1, y1, x2, y2), score, joints in zip(
            prediction['labels'].tolist(),
            boxes.tolist(),
            scores.tolist(),
            triples.reshape(len(points), 3 * points.shape[1]).tolist(),
            strict=True,
        )
    ]


def oks_sigmas(coco: COCO, rows: Sequence[dict], meta: Mapping) -> np.ndarray:
    """Constants of OKS, (J,).

    Raises:
        UserInputError: annotations, predictions and metainfo have different numbers of joints.
    """
    in_file = {len(ann['keypoints']) // 3 for ann in coco.dataset['annotations']} - {0}
    predicted = {len(row['keypoints']) // 3 for row in rows}
    counts = sorted(in_file | predicted)
    if len(counts) > 1:
        raise UserInputError(
            f'annotations have {sorted(in_file)} joints and predictions {sorted(predicted)}; the '
            'head needs the number of joints of the annotation file'
        )
    sigmas = meta.get('sigmas', COCOeval(iouType='keypoints').params.kpt_oks_sigmas)
    if counts and counts[0] != len(sigmas):
        raise UserInputError(
            f'there are {counts[0]} joints and {len(sigmas)} sigmas; set metainfo=dict(sigmas=...) '
            'of the dataset, one per joint'
        )
    return np.asarray(sigmas, np.float64)


def evaluate(
    coco: COCO, rows: Sequence[dict], category_ids: Sequence[int], sigmas: np.ndarray
) -> tuple[list[float], str]:
    """pycocotools' ten numbers, in the order of ``NAMES``, and the table that it prints."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        evaluation = COCOeval(coco, _load_results(coco, rows), 'keypoints')
        evaluation.params.catIds = list(category_ids)
        evaluation.params.kpt_oks_sigmas = sigmas
        evaluation.evaluate()
        evaluation.accumulate()
        output.truncate(output.seek(0))  # only the table is of interest
        evaluation.summarize()
    return [float(value) for value in evaluation.stats], output.getvalue().rstrip()


def _load_results(coco: COCO, rows: Sequence[dict]) -> COCO:
    if rows:
        return coco.loadRes(list(rows))
    empty = COCO()  # which loadRes does not take
    empty.dataset = dict(coco.dataset, annotations=[])
    empty.createIndex()
    return empty
