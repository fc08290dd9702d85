"""The converter, started as a user starts it, and what it says to the user's mistakes."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from centernet_plugin.engine import cli

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / 'tools/model_converters/official_to_plugin.py'
sys.path[:0] = [str(ROOT / 'tests'), str(ROOT / 'tests/test_checkpoints')]
from official_weights import draw  # noqa: E402
from program import Program  # noqa: E402

SUMMARY = """\
found    dla_34: DLA-34, deformable aggregation, detection, 20 classes, epoch 70
used     386 tensors, 19,618,744 parameters
dropped  12 tensors: projections whose result is thrown away (base.level3.project, \
base.level4.project)
         2 tensors: ImageNet classifier; never run in a detector (fc)
         optimizer: state of the training
names    taken for Pascal VOC because of its 20 classes
config   {config}
         or, with the same network, centernet_dla34-dcnv2_1xb32-warp384-70e_voc0712
written  {destination} (75.0 MiB)
"""


def start(*args, **kwargs):
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, args)],
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        timeout=300,
        **kwargs,
    )


@pytest.mark.door
def test_converts(tmp_path):
    state = {f'module.{key}': value for key, value in draw('dla_34_ctdet_voc').items()}
    content = dict(epoch=70, state_dict=state, optimizer={})
    torch.save(content, tmp_path / 'dla.pth', _use_new_zipfile_serialization=False)
    result = start('dla.pth', tmp_path / 'ours.pth', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    # From another folder, the config is named in full.
    config = ROOT / 'configs/centernet/centernet_dla34-dcnv2_1xb32-warp512-70e_voc0712.py'
    expected = SUMMARY.format(config=config, destination=tmp_path / 'ours.pth')
    assert expected in result.stdout and 'Traceback' not in result.stderr
    content = torch.load(tmp_path / 'ours.pth', weights_only=True)
    assert content['meta']['dataset_meta']['classes'][-1] == 'tvmonitor'


@pytest.mark.door
def test_a_full_disk_leaves_nothing(tmp_path):
    resource = pytest.importorskip('resource')
    torch.save(draw('res_18_ctdet_coco'), tmp_path / 'res.pth')

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))

    result = start('res.pth', 'ours.pth', cwd=tmp_path, preexec_fn=limit)
    errors = [line for line in result.stderr.splitlines() if line.startswith('error: ')]
    assert result.returncode == 2, result.stderr
    assert errors == ["error: 'ours.pth' cannot be written: File too large"]
    assert 'Traceback' not in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ['res.pth']


def broken(path, marker):
    state = {key: torch.zeros(value.shape) for key, value in draw('res_18_ctdet_coco').items()}
    torch.save({'state_dict': state}, path)
    path.write_bytes(path.read_bytes()[:-1000])


MISTAKES = {
    'missing': lambda path, marker: None,
    'folder': lambda path, marker: path.mkdir(),
    'empty': lambda path, marker: path.touch(),
    'cut off': broken,
    'photograph': lambda path, marker: path.write_bytes(b'\xff\xd8\xff\xe0\x00\x10JFIF' * 99),
    'text': lambda path, marker: path.write_text('not weights'),
    'web page': lambda path, marker: path.write_text('<!doctype html><title>Quota exceeded'),
    'malicious': lambda path, marker: torch.save({'state_dict': {'a': Program(marker)}}, path),
    'number': lambda path, marker: torch.save(42, path),
    'not tensors': lambda path, marker: torch.save({'state_dict': {'a': 'b'}}, path),
    'foreign': lambda path, marker: torch.save({'encoder.weight': torch.ones(1)}, path),
    'needs nothing': lambda path, marker: torch.save(
        {'conv1.weight': torch.ones(1), 'layer1.0.conv1.weight': torch.ones(1)}, path
    ),
}


@pytest.mark.parametrize('mistake', MISTAKES)
def test_mistakes_are_said_in_one_sentence(tmp_path, capsys, mistake):
    source, destination, marker = (tmp_path / name for name in ('a.pth', 'ours.pth', 'marker'))
    MISTAKES[mistake](source, marker)
    main = runpy.run_path(str(SCRIPT))['main']
    assert cli.run(lambda: main([str(source), str(destination)])) == 2
    out, err = capsys.readouterr()
    assert out == '' and err.startswith('error: ') and err.count('\n') == 1
    assert not destination.exists() and not marker.exists()
    assert {path.name for path in tmp_path.iterdir()} <= {'a.pth'}


def test_help_names_the_sources(capsys):
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(SCRIPT))['main'](['--help'])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ('ExtremeNet', 'Hourglass-104', 'timm', "MMDetection's"))
