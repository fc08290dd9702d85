import json

import cv2
import numpy as np
import pytest
import torch

from centernet_plugin.benchmark.pipelines import build_pipelines
from centernet_plugin.errors import UserInputError


@pytest.fixture
def data(tmp_path):
    """Three images; mmdet's own config would leave out the second, which has no objects."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for i in range(3):
        image = rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f'{i}.jpg'), image)
        images.append(dict(id=i, file_name=f'{i}.jpg', width=120, height=90))
        if i != 1:
            box = dict(bbox=[20, 10, 70, 60], area=4200, iscrowd=0, category_id=1)
            annotations.append(dict(box, id=i, image_id=i))
    categories = [dict(id=1, name='cell')]
    coco = dict(images=images, annotations=annotations, categories=categories)
    (tmp_path / 'a.json').write_text(json.dumps(coco))
    return f'{tmp_path}/', 'a.json', '', dict(classes=('cell',))


def test_both_give_inputs_of_the_same_images(data):
    datasets = build_pipelines(*data)
    assert set(datasets) == {'ours', 'mmdet'}
    for i in range(3):
        ours, stock = (datasets[name][i] for name in ('ours', 'mmdet'))
        assert ours['inputs'].shape == stock['inputs'].shape == (3, 512, 512)
        assert (ours['inputs'].dtype, stock['inputs'].dtype) == (torch.uint8, torch.float32)
        assert ours['data_samples'].img_path == stock['data_samples'].img_path
        for data_sample in (ours['data_samples'], stock['data_samples']):
            assert (len(data_sample.gt_instances) == 0) >= (i == 1)


def test_missing_data_is_named(tmp_path):
    with pytest.raises(UserInputError, match='does not exist'):
        build_pipelines(f'{tmp_path}/', 'a.json', '')
