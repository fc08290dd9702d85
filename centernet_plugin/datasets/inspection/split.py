"""A split of a config: its annotation files as they stand, and what the dataset makes of them."""

import contextlib
import gc
import io
import os.path as osp
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mmdet.datasets import CocoDataset
from mmengine.config import ConfigDict
from mmengine.registry import DATASETS

from ...errors import UserInputError
from .annotations import Annotations, class_names, read_loaded
from .dropped import REASONS, drop_findings, drop_reasons, left_out_findings
from .finding import Finding
from .raw import RawAnnotations, follows, read_raw

SPLITS = ('train', 'val', 'test')


@dataclass
class Split:
    """What was read of a split.

    Attributes:
        dataset: built as a run builds it, or None if that fails.
        table: what it holds; if it does not load, what the files hold; None if nothing was read.
        raws: the files of its parts, as far as their format is known.
        dropped: annotations by the reason for which they are dropped.
        classes: names of the classes.
        findings: what is wrong with the files, and with the loading.
    """

    dataset: Any = None
    table: Annotations | None = None
    raws: list[RawAnnotations] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    findings: list[Finding] = field(default_factory=list)


def read_split(config: ConfigDict) -> Split:
    """Read the files of a dataset, load it, and compare the two.

    Args:
        config: of the dataset; wrappers (ConcatDataset, RepeatDataset and the like) are fine.

    Raises:
        UserInputError: an annotation file is not there, or nothing of it can be read.
    """
    split = Split()
    with _many_objects():
        raws = [_read_file(leaf) for leaf in leaf_configs(config)]
        split.raws = [raw for raw in raws if raw is not None]
        split.findings = [finding for raw in split.raws for finding in raw.findings]
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # pycocotools says how long it takes
                split.dataset = DATASETS.build(config)
            parts = leaves(split.dataset)
            tables = [read_loaded(part) for part in parts]
        except Exception as error:  # whatever a dataset class may raise; a run would end with it
            split.dataset = None
            message = f'The dataset does not load: {_reason(error)}'
            split.findings.append(Finding('error', 'load', message))
            if split.raws:
                split.table = Annotations.join([raw.table for raw in split.raws])
                split.classes = split.table.classes
            return split
    split.table, split.classes = Annotations.join(tables), class_names(split.dataset)
    if any(table.classes != split.classes for table in tables):
        split.findings.append(
            Finding(
                'error',
                'joined-classes',
                'The joined datasets have different classes, so that one label means several: set '
                'the same metainfo=dict(classes=...) in all.',
            )
        )
    for part, table, raw in zip(parts, tables, raws, strict=True):
        if raw is not None:
            _compare(split, raw, table, coco=follows(part, CocoDataset))
    return split


def _compare(split: Split, raw: RawAnnotations, table: Annotations, *, coco: bool) -> None:
    """Note what the file has and the dataset has not."""
    reasons = drop_reasons(raw, table, table.classes, coco)
    split.findings += drop_findings(raw, reasons) + left_out_findings(raw, table, reasons)
    counts = np.bincount(reasons, minlength=len(REASONS))
    for name, count in list(zip(REASONS, counts.tolist(), strict=True))[1:]:
        if count:
            split.dropped[name] = split.dropped.get(name, 0) + count


@contextlib.contextmanager
def _many_objects() -> Iterator[None]:
    """Without garbage collection, which takes half of the time in which a large JSON is read."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def leaves(dataset) -> list:
    """The datasets inside wrappers, in order."""
    if hasattr(dataset, 'datasets'):
        return [leaf for part in dataset.datasets for leaf in leaves(part)]
    return leaves(dataset.dataset) if hasattr(dataset, 'dataset') else [dataset]


def leaf_configs(config: ConfigDict) -> Iterator[ConfigDict]:
    """The configs of the datasets inside wrappers, in order."""
    inner = config.get('datasets', [config['dataset']] if 'dataset' in config else None)
    if inner is None:
        yield config
    for part in inner or ():
        yield from leaf_configs(part)


def loader_findings(loader: ConfigDict, images: int) -> list[Finding]:
    """Whether the images fill a batch, as a training run asks."""
    size = loader.get('batch_size', 1)
    if not loader.get('drop_last', False) or images >= size or not images:
        return []
    return [
        Finding(
            'error',
            'no-batch',
            f'The {images} images do not fill one batch of {size}, and drop_last drops what does '
            'not, so that nothing would be trained on: make batch_size smaller.',
        )
    ]


def evaluator_findings(evaluators: Any, raws: Sequence[RawAnnotations]) -> list[Finding]:
    """Whether the evaluation reads the annotations that the dataset reads."""
    sources = [raw.source for raw in raws]
    for evaluator in evaluators if isinstance(evaluators, list | tuple) else [evaluators or {}]:
        file = evaluator.get('ann_file')
        if file and sources and _real(file) not in map(_real, sources):
            return [
                Finding(
                    'error',
                    'evaluator',
                    f"The evaluation reads '{file}', the dataset '{sources[0]}': set the same "
                    'ann_file in both.',
                )
            ]
    return []


def _read_file(config: ConfigDict) -> RawAnnotations | None:
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            dataset = DATASETS.build(dict(config, lazy_init=True))
    except Exception:  # a class that knows no lazy_init, or does not build: loading will tell
        return None
    return read_raw(dataset)


def _reason(error: BaseException) -> str:
    """What raised ``error``, in a sentence; registries raise again what was raised inside."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, UserInputError):
            return str(link)
        link = link.__cause__ or link.__context__
    if 'need at least one array' in str(error):  # mmengine packs the entries into one
        return 'no image is left of it; look at filter_cfg and indices.'
    return f'{type(error).__name__}: {error}'


def _real(path: str) -> str:
    return path if '://' in path else osp.realpath(path)
