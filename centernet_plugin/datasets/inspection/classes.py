"""How often each class occurs, and whether config, file and head name the same classes."""

from collections.abc import Sequence

import numpy as np

from .annotations import Annotations
from .finding import Finding, count_of, listed
from .raw import RawAnnotations

FEW = 20  # objects of a class that is hardly learnt


def class_counts(table: Annotations) -> dict[str, np.ndarray]:
    """Counts by class. Legend: C classes.

    Returns:
        ``objects`` (not ignored), ``ignored`` and ``images`` (with an object that is not). (C,)
    """
    number = len(table.classes)
    labels, ignored = table.labels, table.ignored | (table.labels < 0)
    pairs = np.unique(table.image[~ignored] * max(number, 1) + labels[~ignored])
    return dict(
        objects=np.bincount(labels[~ignored], minlength=number),
        ignored=np.bincount(labels[ignored & (labels >= 0)], minlength=number),
        images=np.bincount(pairs % max(number, 1), minlength=number),
    )


def unnamed_classes(raws: Sequence[RawAnnotations], classes: Sequence[str]) -> dict[str, int]:
    """Objects by class of those that the files have and ``classes`` has not."""
    result: dict[str, int] = {}
    for raw in raws:
        counts = np.bincount(raw.table.labels[raw.table.labels >= 0], minlength=1)
        for label, name in enumerate(raw.table.classes):
            if name not in classes:
                count = int(counts[label]) if label < len(counts) else 0
                result[name] = result.get(name, 0) + count
    return result


def class_findings(
    table: Annotations,
    unnamed: dict[str, int],
    *,
    num_classes: int | None = None,
    training: bool = True,
) -> list[Finding]:
    """What does not fit between classes, objects and head.

    Args:
        table: what the dataset holds.
        unnamed: from :func:`unnamed_classes`.
        num_classes: of the head, if there is one.
        training: whether the set is trained on.
    """
    counts = class_counts(table)['objects']
    findings = []
    if not table.classes:
        what = 'The dataset names no classes: set metainfo=dict(classes=(...)).'
        return [Finding('error', 'no-classes', what)]
    if num_classes is not None and num_classes != len(table.classes):
        findings.append(
            Finding(
                'error',
                'num-classes',
                f'num_classes of the head is {num_classes}, but the dataset has '
                f'{count_of(len(table.classes), "class", "classes")} '
                f'({listed(table.classes)}): set num_classes={len(table.classes)}.',
            )
        )
    if unnamed:
        lost = sum(unnamed.values())
        names = listed(f'{name} ({count:,})' for name, count in unnamed.items())
        findings.append(
            Finding(
                'warning' if lost else 'note',
                'unnamed-class',
                f'{count_of(len(unnamed), "class", "classes")} of the annotation file not in the '
                f'config, {names}, with {count_of(lost, "object")} dropped: add to metainfo and '
                'num_classes, unless that is meant.',
                len(unnamed),
            )
        )
    if not counts.sum():
        findings.append(
            Finding(
                'error' if training else 'warning',
                'no-objects',
                'There is no object of any class: look at ann_file, and at the classes in metainfo '
                'of the dataset.',
            )
        )
        return findings
    absent = [name for name, count in zip(table.classes, counts, strict=True) if not count]
    if absent:
        what = 'to learn' if training else 'to test'
        findings.append(
            Finding(
                'warning' if training else 'note',
                'absent-class',
                f'{count_of(len(absent), "class", "classes")} without an object {what} '
                f'({listed(absent)}): annotate some, or take the name out of the classes.',
                len(absent),
            )
        )
    rare = [i for i, count in enumerate(counts) if 0 < count < FEW]
    if rare and training:
        names = listed(
            f'{table.classes[i]} {counts[i]}' for i in sorted(rare, key=counts.__getitem__)
        )
        findings.append(
            Finding(
                'note',
                'rare-class',
                f'{count_of(len(rare), "class", "classes")} with fewer than {FEW} objects '
                f'({names}): expect little of them; more examples help, or ClassBalancedDataset.',
                len(rare),
            )
        )
    return findings
