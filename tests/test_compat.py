"""The surroundings: mmcv without compiled operators, checkpoints, versions."""

import pickle
import re
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from unittest.mock import Mock
from urllib.error import URLError

import numpy as np
import pytest
import torch
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.logging import HistoryBuffer
from mmengine.optim import OneCycleLR
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as checkpoint_of_mmengine

import centernet_plugin
from centernet_plugin.compat import __main__ as command
from centernet_plugin.compat import checkpoint, ext, versions
from centernet_plugin.errors import UserInputError

COMPAT = Path(centernet_plugin.__file__).parent / 'compat'
WITHOUT_OPERATORS = Path(sys.modules['mmcv._ext'].__file__).suffix == '.py'
LOAD_EXT = f"""
import importlib.util, sys, types
spec = importlib.util.spec_from_file_location('ext', {str(COMPAT / 'ext.py')!r})
ext = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ext)
"""


def python(code, path=None):
    """Run code in a process of its own, with ``path`` first on the import path."""
    where = f'import sys; sys.path.insert(0, {str(path or COMPAT.parents[1])!r})\n'
    return subprocess.run(
        [sys.executable, '-W', 'error::RuntimeWarning', '-c', where + code],
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture
def fake_mmcv(tmp_path):
    """Folder of an ``mmcv`` package without operators."""
    folder = tmp_path / 'mmcv'
    folder.mkdir()
    (folder / '__init__.py').write_text('')
    return folder


def test_placeholder_in_memory(fake_mmcv):
    code = """
assert ext.install() and not ext.install()
import importlib, importlib.util, mmcv
module = importlib.import_module('mmcv._ext')
assert mmcv._ext is module and importlib.util.find_spec('mmcv._ext') is not None
if sys.version_info < (3, 12):
    import pkgutil
    assert pkgutil.find_loader('mmcv._ext') is not None
assert hasattr(module, 'nms') and hasattr(module, 'carafe_forward')
assert not hasattr(module, '__path__')
module.carafe_forward(1, channels=2)
"""
    result = python(LOAD_EXT + code, fake_mmcv.parent)
    assert result.stderr.splitlines()[-1].startswith("RuntimeError: mmcv operator 'carafe_forward'")
    assert 'install an mmcv with compiled operators' in result.stderr


def test_existing_ext_is_not_hidden(fake_mmcv):
    (fake_mmcv / '_ext.py').write_text('answer = 42')
    code = 'assert not ext.install()\nimport mmcv._ext\nassert mmcv._ext.answer == 42'
    result = python(LOAD_EXT + code, fake_mmcv.parent)
    assert result.returncode == 0, result.stderr


def test_late_import_is_said(fake_mmcv):
    code = "sys.modules['mmdet.models.layers'] = types.ModuleType('x')\next.install()"
    result = python(LOAD_EXT + code, fake_mmcv.parent)
    assert 'mmdet.models was imported before centernet_plugin' in result.stderr


def test_written_placeholder_needs_nothing_of_ours(fake_mmcv):
    ext.write(fake_mmcv)
    code = """
import importlib.abc
class Uninstalled(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == 'centernet_plugin':
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Uninstalled())
import mmcv._ext
mmcv._ext.nms(None, None, 0.5, 0)
"""
    result = python('import sys\n' + code, fake_mmcv.parent)
    assert 'centernet_plugin, which computed it in PyTorch, is no longer' in result.stderr


def test_write_status_remove(fake_mmcv, capsys):
    def run(action):
        status = command.main([action], fake_mmcv)
        return status, capsys.readouterr().out

    assert 'no placeholder' in run('--status')[1]
    assert 'nothing to remove' in run('--remove')[1]
    assert run('--write') == (0, f'written: {fake_mmcv / "_ext.py"}\n')
    assert run('--write')[0] == 0  # again, as after an upgrade
    assert 'is written' in run('--status')[1]
    assert run('--remove') == (0, f'removed: {fake_mmcv / "_ext.py"}\n')
    assert [path.name for path in fake_mmcv.iterdir()] == ['__init__.py']


@pytest.mark.parametrize('name', ['_ext.py', f'_ext{EXTENSION_SUFFIXES[0]}'])
def test_files_of_others_stay(fake_mmcv, name, capsys):
    other = fake_mmcv / name
    other.write_bytes(b'not ours')
    assert command.main(['--write'], fake_mmcv) == 2
    assert 'operators of its own' in capsys.readouterr().err
    assert command.main(['--remove'], fake_mmcv) == 0
    assert command.main(['--status'], fake_mmcv) == 0
    assert 'operators of its own' in capsys.readouterr().out
    assert other.read_bytes() == b'not ours'


def test_placeholder_is_removed_from_behind_compiled_operators(fake_mmcv):
    ext.write(fake_mmcv)
    compiled = fake_mmcv / f'_ext{EXTENSION_SUFFIXES[0]}'
    compiled.write_bytes(b'')
    assert ext.find(fake_mmcv) == ('compiled', compiled)
    assert ext.remove(fake_mmcv) == fake_mmcv / '_ext.py'
    assert compiled.exists()


def test_command_runs_without_warning():
    code = "import runpy; sys.argv = ['compat', '--status']; "
    result = python(code + "runpy.run_module('centernet_plugin.compat', run_name='__main__')")
    assert result.returncode == 0, result.stderr
    assert 'operators' in result.stdout


@pytest.mark.skipif(not WITHOUT_OPERATORS, reason='mmcv has compiled operators')
def test_mmcv_functions_on_the_placeholder():
    from mmcv.ops import batched_nms, roi_align, soft_nms

    boxes = torch.tensor([[0, 0, 10, 10], [1, 0, 10, 10.0], [50, 50, 60, 60]])
    scores = torch.tensor([0.5, 0.6, 0.7])
    cfg = dict(type='nms', iou_threshold=0.5)
    assert batched_nms(boxes, scores, torch.tensor([0, 0, 0]), cfg)[1].tolist() == [2, 1]
    assert batched_nms(boxes, scores, torch.tensor([0, 1, 0]), cfg)[1].tolist() == [2, 1, 0]
    dets, index = soft_nms(boxes, scores, 0.5, method='linear')
    assert index.tolist() == [2, 1, 0]
    assert dets[:, 4].tolist() == pytest.approx([0.7, 0.6, 0.05])
    dets, index = soft_nms(boxes.numpy(), scores.numpy(), 0.5, min_score=0.1)
    assert index.tolist() == [2, 1] and dets.shape == (2, 5)
    with pytest.raises(RuntimeError, match="mmcv operator 'roi_align_forward' is not compiled"):
        roi_align(torch.rand(1, 1, 4, 4), torch.rand(1, 5), (2, 2))


weights_only = pytest.mark.skipif(
    checkpoint.before_weights_only(), reason='torch.load loads everything before 2.6'
)


@pytest.fixture
def allowed():
    """Our globals for one test; torch's context manager would take those of ``setup`` away."""
    before = torch.serialization.get_safe_globals()
    torch.serialization.add_safe_globals(checkpoint.safe_globals())
    yield
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(before)


@weights_only
def test_checkpoint_of_a_runner(tmp_path, allowed):
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    saved = {
        'state_dict': {'a': torch.ones(2)},
        'message_hub': {'log_scalars': {'loss': history}, 'seed': np.int64(3)},
        'meta': {'scalar': np.float64(0.5), 'palette': np.ones((2, 3), np.uint8)},
    }
    torch.save(saved, tmp_path / 'saved.pth')
    loaded = torch.load(tmp_path / 'saved.pth', weights_only=True)
    assert loaded['message_hub']['log_scalars']['loss'].mean() == 1.5
    assert loaded['meta']['palette'].shape == (2, 3)


@weights_only
def test_mmengine_loads_its_checkpoints(tmp_path):
    torch.save({'message_hub': HistoryBuffer([1.0], [1])}, tmp_path / 'saved.pth')
    loaded = CheckpointLoader.load_checkpoint(str(tmp_path / 'saved.pth'), map_location='cpu')
    assert loaded['message_hub'].current() == 1.0


@weights_only
@pytest.mark.parametrize('curve', ['cos', 'linear'])
def test_one_cycle_schedules_load(tmp_path, allowed, curve):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    schedule = OneCycleLR(optimizer, eta_max=1, total_steps=9, anneal_strategy=curve)
    torch.save(schedule.state_dict(), tmp_path / 'saved.pth')
    loaded = torch.load(tmp_path / 'saved.pth', weights_only=True)
    assert loaded['total_steps'] == 9


class Attack:
    """Pickles as ``getattr(owner, name)``, a first step to anything."""

    def __init__(self, owner, name):
        self.arguments = owner, name

    def __reduce__(self):
        return getattr, self.arguments


@weights_only
@pytest.mark.parametrize(
    ('owner', 'name'),
    [(HistoryBuffer, '__init__'), (OneCycleParamScheduler, 'build_iter_from_epoch')],
)
def test_getattr_is_not_let_through(tmp_path, allowed, owner, name):
    torch.save(Attack(owner, name), tmp_path / 'saved.pth')
    with pytest.raises(pickle.UnpicklingError, match=name):
        torch.load(tmp_path / 'saved.pth', weights_only=True)


ONEDL = dict(torch='2.13.0+cpu', mmengine='0.10.12', mmcv='2.3.6', mmdet='3.5.1')
UPSTREAM = dict(torch='2.13.0', mmengine='0.10.7', mmcv='2.1.0', mmdet='3.3.0')


@pytest.mark.parametrize('found', [ONEDL, UPSTREAM])
def test_supported_versions(found):
    assert versions.complaint_about(found) is None


@pytest.mark.parametrize(
    ('found', 'message'),
    [
        (UPSTREAM | dict(mmcv='2.2.0'), 'mmcv is 2.2.0, but mmdet 3.3.0 needs mmcv < 2.2'),
        (UPSTREAM | dict(mmdet='2.28.0'), 'mmdet is 2.28.0, but must be >= 3.3 and < 4.0'),
        (ONEDL | dict(mmcv=None), 'mmcv is not installed'),
        (ONEDL | dict(torch='1.13.1'), 'torch is 1.13.1, but must be >= 2.0'),
    ],
)
def test_unsupported_versions(found, message):
    complaint = versions.complaint_about(found)
    assert complaint.startswith(message)
    assert 'onedl-mmdetection==' in complaint and 'mmcv-lite==' in complaint


def test_missing_package_is_one_message(tmp_path):
    code = """
import importlib.abc
class Uninstalled(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == 'mmcv':
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Uninstalled())
import centernet_plugin
"""
    result = python(code)
    assert 'RuntimeError: mmcv is not installed.' in result.stderr
    assert 'During handling' not in result.stderr


def test_scope_of_configs():
    assert MODULE2PACKAGE['centernet_plugin'] == 'centernet_plugin'


def test_setup_again_changes_nothing():
    before = sys.modules['mmcv._ext']
    centernet_plugin.compat.setup()
    assert sys.modules['mmcv._ext'] is before


@weights_only
def test_downloaded_checkpoint_is_read_as_data(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    folder = tmp_path / 'hub' / 'checkpoints'  # where torch finds what it has downloaded before
    folder.mkdir(parents=True)
    torch.save({'a': torch.ones(2)}, folder / 'good.pth')
    torch.save({'a': Attack(Path, 'unlink')}, folder / 'evil.pth')
    loaded = CheckpointLoader.load_checkpoint('https://example.org/good.pth', map_location='cpu')
    assert loaded['a'].tolist() == [1, 1]
    with pytest.raises(
        UserInputError, match="'https://example.org/evil.pth' is not loaded: it asks for path"
    ):
        CheckpointLoader.load_checkpoint('https://example.org/evil.pth', map_location='cpu')


@weights_only
def test_refused_file_loads_where_the_user_says_so(tmp_path, monkeypatch):
    torch.save({'path': Path('a')}, tmp_path / 'mine.pth')
    with pytest.raises(UserInputError, match='TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'mine.pth'))
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    assert CheckpointLoader.load_checkpoint(str(tmp_path / 'mine.pth')) == {'path': Path('a')}


@weights_only
def test_every_loader_of_mmengine_is_covered():
    """All that loads a checkpoint there goes through what is replaced, or plain torch.load."""
    from mmengine.runner import checkpoint as theirs

    source = Path(theirs.__file__).read_text()
    calls = re.findall(r'torch\.load\([^)]*\)', source)
    assert calls
    if hasattr(theirs, '_safe_torch_load'):
        assert theirs._safe_torch_load is checkpoint.load_data
    else:
        assert not any('weights_only' in call for call in calls)
    assert theirs.load_url.keywords == dict(weights_only=None)


@pytest.mark.parametrize(
    ('content', 'sentence'),
    [
        ([1], 'holds a list instead of named tensors'),
        (dict(state_dict=[1]), "'state_dict' in .* is a list instead of a dictionary"),
        (dict(state_dict={}, meta=3), "'meta' in .* is a int instead of a dictionary"),
        ({3: torch.ones(1)}, 'names a weight by 3 instead of a string'),
    ],
)
def test_content_that_is_no_checkpoint_is_named(tmp_path, content, sentence):
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(UserInputError, match=sentence):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'a.pth'))


def test_damaged_files_are_named_and_others_fail_as_ever(tmp_path, monkeypatch):
    path = tmp_path / 'a.pth'
    torch.save(dict(a=torch.ones(9)), path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(UserInputError, match='bytes. is no checkpoint, or is damaged or cut off'):
        CheckpointLoader.load_checkpoint(str(path))
    path.write_text('<!DOCTYPE html>')
    with pytest.raises(UserInputError, match='is a web page'):
        CheckpointLoader.load_checkpoint(str(path))
    with pytest.raises(FileNotFoundError, match='nothing.pth can not be found'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'nothing.pth'))
    for error in (URLError('no route'), RuntimeError('invalid hash value'), KeyboardInterrupt()):
        monkeypatch.setattr(checkpoint_of_mmengine, 'load_url', Mock(side_effect=error))
        with pytest.raises(type(error)):
            CheckpointLoader.load_checkpoint('https://example.org/a.pth')
