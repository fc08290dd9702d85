"""openmim on a built wheel, in an environment that has nothing else of this project."""

import importlib.metadata
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from .conftest import CLASSES, ROOT, environment, output, run_process
from .test_tta import detections

pytestmark = pytest.mark.door
BY_NAME = next((ROOT / 'configs').rglob('*_bccd.py')).name  # mim is given names, not paths


@pytest.fixture(scope='session')
def wheel(tmp_path_factory) -> Path:
    """A wheel of this checkout, built from a copy, so that no `build/` appears in the tree."""
    source, folder = tmp_path_factory.mktemp('source') / 'copy', tmp_path_factory.mktemp('wheel')
    source.mkdir()
    for name in ('centernet_plugin', 'configs', 'tools'):
        ignore = shutil.ignore_patterns('__pycache__', '.mim')
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    for name in ('setup.py', 'pyproject.toml', 'MANIFEST.in', 'model-index.yml', 'LICENSE'):
        shutil.copy(ROOT / name, source)
    pip(sys.executable, 'wheel', '--no-deps', '--no-build-isolation', '-w', folder, source)
    return next(folder.glob('*.whl'))


@pytest.fixture(scope='session')
def mim(wheel, tmp_path_factory) -> list[str]:
    """The command ``python -m mim`` of a scratch environment with openmim and the wheel.

    It sees the packages of this environment behind its own, which spares a second torch.
    """
    folder = tmp_path_factory.mktemp('environment')
    subprocess.run([sys.executable, '-m', 'venv', folder], check=True)
    python = str(folder / 'bin' / 'python')
    own = [python, '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))']
    packages = subprocess.run(own, capture_output=True, text=True, check=True).stdout.strip()
    (Path(packages) / 'outer.pth').write_text(sysconfig.get_path('purelib'))
    pip(python, 'install', '-c', ROOT / 'constraints' / 'mim.txt', 'openmim')
    pip(python, 'install', 'setuptools>=77.0.3,<82')  # openmim pulled it down to 60.2
    pip(python, 'install', '--no-deps', wheel)
    where = [python, '-c', 'import centernet_plugin; print(centernet_plugin.__file__)']
    found = subprocess.run(where, capture_output=True, text=True, check=True, cwd=folder).stdout
    assert found.strip().splitlines()[-1].startswith(packages)
    return [python, '-m', 'mim']


def test_wheel_carries_what_mim_looks_for(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    inside = {name.removeprefix('centernet_plugin/.mim/') for name in names if '/.mim/' in name}
    assert {'tools/train.py', 'tools/test.py', 'model-index.yml'} <= inside
    shipped = {str(path.relative_to(ROOT)) for path in (ROOT / 'configs').rglob('*.py')}
    assert shipped <= inside
    top = {name.split('/')[0] for name in names}
    assert {name for name in top if not name.endswith('.dist-info')} == {'centernet_plugin'}
    assert not [name for name in names if '__pycache__' in name or name.endswith('.pyc')]


@pytest.mark.slow
def test_train_and_test_by_name(run, mim, data_root, tmp_path):
    # cfg-options would cut a value at the blank in the tiny set's path
    (tmp_path / 'data').symlink_to(data_root)
    options = ['--cfg-options', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1']
    options += ['train_dataloader.batch_size=2', 'model.backbone.base_channels=8']
    options += ['model.backbone.stem_channels=8', 'model.neck.in_channels=64']
    for part in ('train', 'val', 'test'):
        prefix = f'{part}_dataloader.dataset'
        options += [f'{prefix}.data_root=data/', f'{prefix}.ann_file=annotations.json']
        options += [f'{prefix}.data_prefix.img=images/', f'{part}_dataloader.num_workers=0']
        options += [f'{part}_dataloader.persistent_workers=False']
        if part != 'train':
            options += [f'{part}_evaluator.ann_file=data/annotations.json']
    result = run(*mim, 'train', 'centernet_plugin', BY_NAME, '--work-dir', 'run', *options)
    assert 'Training finished successfully' in output(result)
    checkpoint = tmp_path / 'run' / 'epoch_1.pth'
    assert tuple(torch.load(checkpoint, weights_only=False)['meta']['dataset_meta']['classes']) == (
        CLASSES
    )
    result = run(
        *(*mim, 'test', 'centernet_plugin', BY_NAME, '--checkpoint', checkpoint),
        *('--work-dir', 'tested', *options),
    )
    assert 'Testing finished successfully' in output(result)
    assert 'coco/bbox_mAP' in output(result)

    # With augmentation as well; the scripts of the checkout give the same.
    result = run(
        *(*mim, 'test', 'centernet_plugin', BY_NAME, '--checkpoint', checkpoint),
        *('--work-dir', 'tested', '--tta', '--out', 'mim.pkl', *options),
    )
    assert 'Testing finished successfully' in output(result)
    config = next((ROOT / 'configs').rglob(BY_NAME))
    run(
        *(sys.executable, ROOT / 'tools' / 'test.py', config, checkpoint),
        *('--work-dir', 'tested', '--tta', '--out', 'ours.pkl', *options),
    )
    by_mim, ours = (detections(tmp_path / f'{name}.pkl') for name in ('mim', 'ours'))
    assert len(ours) == 4
    for image, rows in ours.items():
        np.testing.assert_allclose(by_mim[image], rows, atol=1e-3)


@pytest.mark.slow
def test_through_mmdet_with_a_path(run, mim, config, written_placeholder):
    names = {dist.metadata['Name'] for dist in importlib.metadata.distributions()}
    package = 'mmdet' if 'mmdet' in names else 'onedl-mmdetection'
    result = run(*mim, 'train', package, config, '--work-dir', 'run')
    assert 'Training finished successfully' in output(result)
    assert 'bbox_mAP' in output(result)


@pytest.mark.slow
def test_search_finds_the_models(run, mim):
    result = run(*mim, 'search', 'centernet_plugin', '--field', 'epochs')
    assert Path(BY_NAME).stem in output(result).replace('\n', '')


def pip(python: str, *arguments: object) -> None:
    """pip of ``python``; fails with its output."""
    command = (python, '-m', 'pip', '--disable-pip-version-check', *arguments)
    assert environment()
    run_process(*command, cwd=ROOT, timeout=600)
