"""The synthetic set keeps its promises, and making it is repeatable and safe."""

import json
import warnings

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from centernet_plugin.datasets import synthetic
from centernet_plugin.datasets.synthetic import generate, run_lengths, statistics
from centernet_plugin.errors import UserInputError


@pytest.fixture(scope='module')
def default_set(tmp_path_factory):
    """A third of the default set: images do not depend on how many follow."""
    out_dir = tmp_path_factory.mktemp('synthetic') / 'set'
    return generate(out_dir, num_train=100, num_val=80, progress=False)


def _files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


def _small(out_dir, **kwargs):
    options = dict(num_train=5, num_val=2, image_size=(96, 128), progress=False)
    return generate(out_dir, **{**options, **kwargs})


def test_default_counts_meet_the_promise():
    defaults = generate.__kwdefaults__
    assert defaults['num_train'] >= 300
    assert defaults['num_val'] >= 80


@pytest.mark.parametrize('split', ['train', 'val'])
def test_promised_difficulty(default_set, split):
    stats = statistics(default_set / 'annotations' / f'instances_{split}.json')
    assert list(stats['classes']) == ['disc', 'box', 'star']
    assert min(stats['classes'].values()) > 0.25 * stats['objects']
    assert 5 <= stats['objects_per_image'] <= 12
    assert 0.2 <= stats['covered_share'] <= 0.3
    assert stats['max_cover'] <= 0.6
    quantiles = stats['size_quantiles']
    assert 0.1 <= quantiles['0%'] < 0.11
    assert quantiles['5%'] < 0.13
    assert quantiles['95%'] > 0.42
    assert 0.47 < quantiles['100%'] <= 0.5
    assert min(stats['size_histogram']) > 0.08
    assert stats['empty_images'] >= 3
    assert stats['crowds'] == 1


def test_pycocotools_reads_it_and_geometry_is_sane(default_set):
    coco = COCO(default_set / 'annotations' / 'instances_val.json')
    for annotation in coco.dataset['annotations']:
        image = coco.imgs[annotation['image_id']]
        x, y, w, h = annotation['bbox']
        assert x >= 0 and y >= 0 and w > 0 and h > 0
        assert x + w <= image['width'] and y + h <= image['height']
        assert 0 < annotation['area'] <= w * h
        mask_area = int(coco.annToMask(annotation).sum())
        assert mask_area == pytest.approx(annotation['area'], rel=0.25)
    picture = cv2.imread(str(default_set / 'val' / coco.imgs[1]['file_name']))
    assert picture.shape == (coco.imgs[1]['height'], coco.imgs[1]['width'], 3)


def test_backgrounds_are_textured(default_set):
    paths = sorted((default_set / 'val').glob('*.jpg'))
    empties = [cv2.imread(str(p), cv2.IMREAD_GRAYSCALE) for p in paths[12::25]]
    assert all(image.std() > 5 for image in empties)


def test_same_seed_same_bytes_other_seed_other_pictures(tmp_path):
    first, second = _files(_small(tmp_path / 'a')), _files(_small(tmp_path / 'b'))
    other = _files(_small(tmp_path / 'c', seed=1))
    assert first == second
    assert all(other[name] != data for name, data in first.items() if name.suffix == '.jpg')


def test_image_does_not_depend_on_the_others(tmp_path):
    few, many = _files(_small(tmp_path / 'a')), _files(_small(tmp_path / 'b', num_train=7))
    pictures = [name for name in few if name.suffix == '.jpg']
    assert len(pictures) == 7
    assert all(few[name] == many[name] for name in pictures)
    train, val = sorted(n for n in pictures if n.parts[0] == 'train')[:2], 'val'
    assert all(few[name] != few[type(name)(val, name.name)] for name in train)


def test_second_call_reuses_and_interrupted_one_is_redone(tmp_path, monkeypatch):
    reference = _files(_small(tmp_path / 'reference'))
    drawn = []
    original = synthetic.scene_of

    def counting(*args):
        drawn.append(args)
        if len(drawn) == 4:
            raise KeyboardInterrupt
        return original(*args)

    monkeypatch.setattr(synthetic, 'scene_of', counting)
    with pytest.raises(KeyboardInterrupt):
        _small(tmp_path / 'set')
    with pytest.warns(UserWarning, match='made anew'):
        _small(tmp_path / 'set')
    assert len(drawn) == 4 + 7
    assert _files(tmp_path / 'set') == reference
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        _small(tmp_path / 'set')
    assert len(drawn) == 4 + 7
    next((tmp_path / 'set' / 'train').iterdir()).unlink()
    with pytest.warns(UserWarning, match='made anew'):
        _small(tmp_path / 'set')
    assert _files(tmp_path / 'set') == reference


def test_other_parameters_leave_nothing_of_the_old_set(tmp_path):
    _small(tmp_path, num_train=6)
    with pytest.warns(UserWarning):
        _small(tmp_path)
    assert len(list((tmp_path / 'train').iterdir())) == 5


def test_foreign_folder_is_left_alone(tmp_path):
    foreign = tmp_path / 'train' / '000000.jpg'
    foreign.parent.mkdir()
    foreign.write_bytes(b'mine')
    with pytest.raises(UserInputError, match='not made by this generator'):
        _small(tmp_path)
    assert foreign.read_bytes() == b'mine'


@pytest.mark.parametrize(
    'wrong', [dict(image_size=(32, 192)), dict(num_val=0), dict(num_train=-1), dict(seed=-1)]
)
def test_senseless_parameters(tmp_path, wrong):
    with pytest.raises(UserInputError):
        _small(tmp_path / 'set', **wrong)
    assert not (tmp_path / 'set').exists()


def test_run_lengths_match_pycocotools():
    rng = np.random.default_rng(0)
    for mask in (rng.random((7, 5)) < 0.5, np.ones((3, 4), bool), np.zeros((3, 4), bool)):
        encoded = coco_mask.frPyObjects(
            dict(counts=run_lengths(mask), size=[*mask.shape]), *mask.shape
        )
        assert (coco_mask.decode(encoded) == mask).all()


def test_official_fields(default_set):
    data = json.loads((default_set / 'annotations' / 'instances_train.json').read_text())
    assert set(data) == {'info', 'licenses', 'images', 'annotations', 'categories'}
    assert [c['id'] for c in data['categories']] == [1, 2, 3]
    assert len({a['id'] for a in data['annotations']}) == len(data['annotations'])
    keys = {'id', 'image_id', 'category_id', 'bbox', 'area', 'segmentation', 'iscrowd'}
    assert all(keys <= set(a) for a in data['annotations'])
