"""Files that are checkpoints, and files that are not."""

import argparse
import pickle
import sys
import types
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from centernet_plugin.checkpoints import read_checkpoint
from centernet_plugin.compat.checkpoint import safe_globals
from centernet_plugin.errors import UserInputError

sys.path.insert(0, str(Path(__file__).parent))
from program import Program  # noqa: E402

STATE = {
    'conv1.weight': torch.arange(8.0).reshape(2, 4),
    'bn1.num_batches_tracked': torch.tensor(3),
}


def save(path, content, legacy=False):
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def same(state):
    assert state.keys() == STATE.keys()
    assert all(torch.equal(value, STATE[key]) for key, value in state.items())


@pytest.mark.parametrize('legacy', [False, True])
@pytest.mark.parametrize('name', ['model.pth', 'ExtremeNet_500000.pkl'])
def test_bare_and_container(tmp_path, name, legacy):
    bare = read_checkpoint(save(tmp_path / name, STATE, legacy))
    same(bare.state)
    assert (bare.epoch, bare.rest) == (None, [])
    optimizer = {'state': {0: {'exp_avg': torch.ones(2)}}, 'param_groups': [{'lr': 1e-3}]}
    container = dict(epoch=140, state_dict=STATE, optimizer=optimizer)
    read = read_checkpoint(save(tmp_path / name, container, legacy))
    same(read.state)
    assert (read.epoch, read.rest) == (140, ['optimizer'])


def test_prefixes_of_wrappers(tmp_path):
    state = {f'module.module.{key}': value for key, value in STATE.items()}
    same(read_checkpoint(save(tmp_path / 'a.pth', state)).state)
    twice = {**STATE, 'module.conv1.weight': torch.ones(1)}
    with pytest.raises(UserInputError, match="two tensors 'conv1.weight'"):
        read_checkpoint(save(tmp_path / 'a.pth', twice))
    lists = {'module_list.0.weight': torch.ones(1)}
    assert read_checkpoint(save(tmp_path / 'a.pth', lists)).state.keys() == lists.keys()


def test_container_of_a_runner(tmp_path):
    buffer = HistoryBuffer([1.0, 2.0], [1, 1])
    meta = dict(epoch=7, dataset_meta=dict(classes=('a', 'b'), palette=[(1, 2, 3), (4, 5, 6)]))
    content = dict(meta=meta, state_dict=STATE, message_hub={'log_scalars': {'loss': buffer}})
    read = read_checkpoint(save(tmp_path / 'epoch_7.pth', content))
    same(read.state)
    assert (read.epoch, read.rest) == (7, ['message_hub'])
    assert (read.classes, read.palette) == (('a', 'b'), [(1, 2, 3), (4, 5, 6)])
    # MMDetection 2
    old = dict(meta=dict(epoch=140, CLASSES=('a', 'b'), PALETTE='random'), state_dict=STATE)
    read = read_checkpoint(save(tmp_path / 'old.pth', old))
    assert (read.epoch, read.classes, read.palette) == (140, ('a', 'b'), None)


@pytest.mark.parametrize('epoch', [np.int64(7), 7.5, 'seven'])
def test_an_epoch_is_a_plain_number_or_unknown(tmp_path, epoch):
    path = save(tmp_path / 'a.pth', dict(epoch=epoch, state_dict=STATE))
    assert read_checkpoint(path).epoch is None


@pytest.mark.filterwarnings('ignore')  # quantized tensors are deprecated
def test_quantized_weights_are_refused(tmp_path):
    quantized = torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)
    path = save(tmp_path / 'a.pth', {'a': quantized})
    with pytest.raises(UserInputError, match="'a' in .* is a sparse or quantized tensor"):
        read_checkpoint(path)


def web_page(path):
    path.write_text('\n<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning')


def truncated(path, legacy, share):
    save(path, {'a': torch.ones(10_000)}, legacy)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def zipped(path):
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('epoch_1.pth', 'weights')


def arrays(path):
    with path.open('wb') as file:
        np.savez(file, a=np.ones(3))


BAD = {
    'folder': (lambda path: path.mkdir(), 'is a folder'),
    'missing': (lambda path: None, 'does not exist'),
    'empty': (lambda path: path.touch(), 'is empty'),
    'web page': (web_page, 'web page, which Google Drive'),
    'jpeg': (lambda path: path.write_bytes(b'\xff\xd8\xff\xe0\x00\x10JFIF' * 99), 'not a checkpoi'),
    'text': (lambda path: path.write_text('model weights\n' * 99), 'is not a checkpoint'),
    'zip': (lambda path: path.write_bytes(b'PK\x03\x04' + b'x' * 999), 'is no checkpoint, or'),
    'cut zip': (lambda path: truncated(path, False, 0.6), 'damaged or cut off'),
    'cut zip, nearly whole': (lambda path: truncated(path, False, 0.999), 'damaged or cut off'),
    'cut legacy': (lambda path: truncated(path, True, 0.6), 'damaged or cut off'),
    'cut legacy, early': (lambda path: truncated(path, True, 0.001), 'damaged or cut off'),
    'pickle': (lambda path: path.write_bytes(pickle.dumps([1.0, 2.0])), 'is not loaded: it holds'),
    'number': (lambda path: save(path, 3), 'holds a int instead of'),
    'tensor': (lambda path: save(path, torch.ones(2)), 'holds a Tensor instead of named tensors'),
    'container': (lambda path: save(path, {'state_dict': [1]}), "'state_dict' in .* is a list"),
    'not a tensor': (lambda path: save(path, {'a': torch.ones(1), 'b': 'c'}), "'b' in .* is a str"),
    'nested': (lambda path: save(path, {'epoch': 3, 'model': STATE}), "lie under 'model' in"),
    'nested twice': (lambda path: save(path, {'a': {'b': STATE}}), "'a' in .* is a dict"),
    'object': (lambda path: save(path, {'args': argparse.Namespace()}), 'Namespace, .* or an obje'),
    'script': (lambda path: torch.jit.script(torch.nn.ReLU()).save(path), 'a TorchScript program'),
    'zipped': (zipped, "archive of other files \\('epoch_1.pth'\\) .*; unpack it"),
    'arrays': (arrays, "archive of other files \\('a.npy'\\)"),
    'sparse': (lambda path: save(path, {'a': torch.eye(3).to_sparse()}), "'a' in .* sparse"),
    'numbered': (lambda path: save(path, {3: torch.ones(1)}), 'names a weight by 3'),
    'nothing': (lambda path: save(path, {}), 'no weights'),
}  # fmt: skip


@pytest.mark.parametrize('kind', BAD)
def test_what_is_no_checkpoint_is_said_in_one_sentence(tmp_path, kind):
    make, message = BAD[kind]
    path = tmp_path / 'model.pth'
    make(path)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        with pytest.raises(UserInputError, match=message) as error:
            read_checkpoint(path)
    assert not said, 'a warning beside the sentence'
    assert '\n' not in str(error.value) and len(str(error.value)) < 400
    assert kind in ('number', 'tensor') or 'model.pth' in str(error.value)


@pytest.mark.parametrize('legacy', [False, True])
def test_every_cut_is_noticed(tmp_path, legacy):
    path = save(tmp_path / 'model.pth', STATE, legacy)
    content = path.read_bytes()
    for size in range(1, len(content), 7 if legacy else 61):
        path.write_bytes(content[:size])
        with pytest.raises(UserInputError):
            read_checkpoint(path)


@pytest.mark.parametrize('protocol', [4, 5])
def test_programs_of_newer_pickle_protocols_are_not_run(tmp_path, protocol):
    path, folder = tmp_path / 'model.pth', tmp_path / 'made'
    path.write_bytes(pickle.dumps(Program(folder), protocol=protocol))
    with pytest.raises(UserInputError, match='not loaded: .* perhaps a program; if you trust'):
        read_checkpoint(path)
    assert not folder.exists()


@pytest.mark.parametrize('where', ['raw', 'zip', 'legacy', 'in a container'])
def test_programs_are_not_run(tmp_path, where):
    path, folder = tmp_path / 'model.pth', tmp_path / 'made'
    program = Program(folder)
    if where == 'raw':
        path.write_bytes(pickle.dumps(program, protocol=2))
    else:
        content = dict(state_dict=STATE, extra=program) if 'container' in where else program
        save(path, content, legacy=where == 'legacy')
    with pytest.raises(UserInputError, match=r'not loaded: it asks for \w+\.mkdir'):
        read_checkpoint(path)
    assert not folder.exists()
    pickle.loads(pickle.dumps(program))
    assert folder.exists(), 'the program would have left its mark'


def test_whole_models_are_not_loaded(tmp_path):
    path = save(tmp_path / 'model.pth', torch.nn.Conv2d(1, 1, 1))
    with pytest.raises(UserInputError, match='asks for torch.nn.modules.conv.Conv2d'):
        read_checkpoint(path)


def test_allowances_do_not_outlive_the_reading(tmp_path):
    before = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        read_checkpoint(save(tmp_path / 'a.pth', STATE))
        assert torch.serialization.get_safe_globals() == []
    finally:
        torch.serialization.add_safe_globals(before)


def test_what_was_allowed_before_stays_allowed(tmp_path):
    """Where mmengine needs help to load checkpoints, a conversion must not take it away."""
    before = torch.serialization.get_safe_globals()
    torch.serialization.add_safe_globals(safe_globals())
    try:
        read_checkpoint(save(tmp_path / 'a.pth', STATE))
        assert set(safe_globals()) <= set(torch.serialization.get_safe_globals())
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


def fake_safetensors(monkeypatch, load_file):
    module = types.ModuleType('safetensors.torch')
    module.load_file = load_file
    monkeypatch.setitem(sys.modules, 'safetensors', types.ModuleType('safetensors'))
    monkeypatch.setitem(sys.modules, 'safetensors.torch', module)


def test_safetensors(tmp_path, monkeypatch):
    path = tmp_path / 'model.safetensors'
    path.write_bytes(b'\x08\0\0\0\0\0\0\0{}      ')
    monkeypatch.setitem(sys.modules, 'safetensors.torch', None)
    with pytest.raises(UserInputError, match='pip install safetensors'):
        read_checkpoint(path)
    fake_safetensors(monkeypatch, lambda given: STATE if Path(given) == path else None)
    same(read_checkpoint(path).state)
    fake_safetensors(monkeypatch, lambda given: {})
    with pytest.raises(UserInputError, match='holds no weights'):
        read_checkpoint(path)

    def fails(given):
        raise RuntimeError('header too large')

    fake_safetensors(monkeypatch, fails)
    with pytest.raises(UserInputError, match='no safetensors file, .*header too large'):
        read_checkpoint(path)


def test_real_safetensors(tmp_path):
    writer = pytest.importorskip('safetensors.torch')
    writer.save_file(STATE, tmp_path / 'model.safetensors')
    same(read_checkpoint(tmp_path / 'model.safetensors').state)
