"""Reasons against what mmdet's loaders do, on sets with everything wrong at once."""

import json

import numpy as np
import pytest

from centernet_plugin.datasets.inspection.annotations import read_loaded
from centernet_plugin.datasets.inspection.dropped import (
    KEPT,
    REASONS,
    drop_findings,
    drop_reasons,
    left_out_findings,
)
from centernet_plugin.datasets.inspection.raw import read_raw
from centernet_plugin.datasets.inspection.split import read_split


def mixed_set(root, rng, number=400):
    """Annotations with each defect by chance, several at once."""
    images = [dict(id=i, file_name=f'{i}.jpg', width=60 + i, height=50) for i in range(20)]
    annotations = []
    for i in range(number):
        x, y = rng.uniform(-40, 90, 2)
        w, h = rng.uniform(-4, 30, 2) * rng.choice([1, 1, 0.01, 0])
        annotations.append(
            dict(
                id=i,
                image_id=int(rng.integers(0, 24)),
                category_id=int(rng.integers(0, 5)),
                bbox=[x, y, w, h],
                area=float(rng.choice([0, abs(w * h) + 1])),
                iscrowd=int(rng.integers(0, 2)),
                ignore=int(rng.choice([0, 0, 1])),
            )
        )
    categories = [dict(id=i, name='abc'[i]) for i in range(3)]
    content = dict(images=images, annotations=annotations, categories=categories)
    (root / 'ann.json').write_text(json.dumps(content))


@pytest.mark.parametrize('indices', [None, 15])
def test_what_is_kept_is_what_coco_loads(tmp_path, indices):
    from mmdet.datasets import CocoDataset

    mixed_set(tmp_path, np.random.default_rng(0))
    dataset = CocoDataset(
        data_root=str(tmp_path),
        ann_file='ann.json',
        data_prefix=dict(img=''),
        metainfo=dict(classes=('a', 'c')),
        indices=indices,
        pipeline=[],
    )
    raw, loaded = read_raw(dataset), read_loaded(dataset)
    reasons = drop_reasons(raw, loaded, loaded.classes, coco=True)
    kept = raw.table.select(reasons == KEPT)
    order = [np.lexsort(np.column_stack([t.image, t.boxes]).T) for t in (kept, loaded)]
    assert (kept.boxes[order[0]] == loaded.boxes[order[1]]).all()
    assert (kept.ignored[order[0]] == loaded.ignored[order[1]]).all()
    names = [np.array(t.classes)[t.labels][o] for t, o in zip((kept, loaded), order, strict=True)]
    assert (names[0] == names[1]).all()
    counts = np.bincount(reasons, minlength=len(REASONS))
    assert (counts[:-1] > 0).all() and (counts[-1] > 0) == bool(indices)
    keys = {finding.key for finding in drop_findings(raw, reasons)}
    assert keys == {
        'unknown-image', 'unknown-category', 'marked-ignore', 'outside', 'no-extent', 'no-area'
    }  # fmt: skip
    notes = {finding.key for finding in left_out_findings(raw, loaded, reasons)}
    assert notes == ({'left-out'} if indices else set())


def test_ids_as_text_are_named(tiny):
    for ann in tiny.data['annotations'][:5]:
        ann['image_id'] = str(ann['image_id'])
    tiny.write()
    split = read_split(tiny.dataset())
    assert split.dropped == {'its image is not listed': 5}
    (finding,) = split.findings
    assert "of image '0', '1' (as text, the file has them as numbers" in finding.message
    assert finding.examples[0] == 'no image: cat [8, 8, 32, 32]'
