"""Image files that are missing or broken."""

import random
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS
from mmengine.registry import DefaultScope

from centernet_plugin.datasets import corrupt
from centernet_plugin.errors import UserInputError

sys.path.insert(0, str(Path(__file__).parents[1]))
from tiny_kitti import make_kitti  # noqa: E402
from tiny_training import CLASSES, Record, make_runner, make_set, pipeline  # noqa: E402

BROKEN = dict(missing=None, empty=b'', text=b'<html>not found</html>', cut=-300)


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    return make_set(tmp_path_factory.mktemp('whole'), images=6)


@pytest.fixture
def data(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / 'set'))


def build(data, **settings):
    kind = dict(
        type='centernet_plugin.CocoDataset',
        data_root=str(data),
        ann_file='annotations/instances_train.json',
        data_prefix=dict(img='train/'),
        metainfo=dict(classes=CLASSES),
        pipeline=pipeline(),
    )
    with DefaultScope.overwrite_default_scope('mmdet'):
        return DATASETS.build(kind | settings)


def spoil(data, index, content):
    path = data / 'train' / f'{index:06d}.jpg'
    if content is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:content] if isinstance(content, int) else content)
    return str(path)


@pytest.mark.parametrize('content', BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize('loader', ['LoadImageFromFile', 'centernet_plugin.LoadEncodedImage'])
def test_error_names_the_file(data, content, loader):
    steps = pipeline()
    steps[0], steps[2] = dict(type=loader), dict(steps[2], resample='resize')
    dataset = build(data, pipeline=steps)
    path = spoil(data, 2, content)
    with pytest.raises(UserInputError, match=f"image '{path}' is not readable; on_corrupt='skip'"):
        dataset[2]
    dataset = build(data, pipeline=steps, on_corrupt='skip')
    assert dataset[2]['data_samples'].img_path != path


def test_skipping_is_logged_once_and_draws_another_at_random(data, monkeypatch):
    logged = []
    monkeypatch.setattr(corrupt, 'print_log', lambda text, **_: logged.append(text))
    dataset = build(data, on_corrupt='skip')
    path = spoil(data, 2, b'')
    np.random.seed(0)
    names = [Path(dataset[2]['data_samples'].img_path).stem for _ in range(60)]
    assert set(names) == {f'{i:06d}' for i in range(6) if i != 2}
    assert logged == [f"image '{path}' is not readable; another one is taken in its place"]


def test_evaluation_never_skips(data):
    dataset = build(data, on_corrupt='skip', test_mode=True)
    path = spoil(data, 2, b'')
    with pytest.raises(UserInputError, match=f"'{path}' is not readable$"):
        dataset[2]


def test_nothing_readable_is_an_error(data):
    dataset = build(data, on_corrupt='skip')
    for index in range(6):
        spoil(data, index, b'')
    with pytest.raises(UserInputError, match='none of the 6 images is readable'):
        dataset[2]


def test_errors_of_the_pipeline_pass(data):
    def mistake(results):
        raise KeyError('mistake')

    with pytest.raises(KeyError, match='mistake'):
        build(data, pipeline=[*pipeline(), mistake], on_corrupt='skip')[0]


def test_unknown_choice(data):
    with pytest.raises(UserInputError, match="on_corrupt is one of .*'skip'., got 'ignore'"):
        build(data, on_corrupt='ignore')


def test_kitti(tmp_path):
    make_kitti(tmp_path, frames=3)
    kind = dict(
        type='centernet_plugin.KittiDataset',
        data_root=str(tmp_path),
        pipeline=[dict(type='LoadImageFromFile')],
        on_corrupt='skip',
    )
    dataset = DATASETS.build(kind)
    path = Path(dataset.get_data_info(1)['img_path'])
    path.write_bytes(b'')
    assert dataset[1]['img_path'] != str(path)


@pytest.mark.parametrize('workers', [0, 2])
def test_training_goes_on_and_stays_reproducible(data, tmp_path, workers):
    path = spoil(data, 2, b'')
    record = Record()
    settings = dict(epochs=2, dataset=dict(on_corrupt='skip'), log_level='WARNING')
    runner = make_runner(data, tmp_path / 'run', record, workers=workers, **settings)
    runner.train()
    if workers:
        runner.train_dataloader._iterator._shutdown_workers()
    names = sum(record.images.values(), [])
    assert len(names) == 12 and '000002' not in names
    (log,) = (tmp_path / 'run').glob('*/*.log')
    assert 1 <= log.read_text().count(f"image '{path}' is not readable; another one") <= 2
    again = Record()
    random.random(), torch.rand(1)
    make_runner(data, tmp_path / 'again', again, **settings).train()
    assert (again.images, again.losses) == (record.images, record.losses)
