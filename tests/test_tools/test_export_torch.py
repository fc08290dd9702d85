"""The command line of torch.export's programs."""

import json
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from small_detectors import detector_config

from centernet_plugin.deploy.torch_program import METADATA

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """A config and a checkpoint with class names."""
    folder = tmp_path_factory.mktemp('export')
    step = dict(type='mmdet.Resize', scale=(96, 64))
    config = Config(dict(model=detector_config('resnet'), test_pipeline=[step]))
    config.dump(str(folder / 'config.py'))
    meta = dict(dataset_meta=dict(classes=('cat', 'dog', 'cow')))
    state = MODELS.build(config.model).state_dict()
    torch.save(dict(state_dict=state, meta=meta), folder / 'model.pth')
    return folder / 'config.py', folder / 'model.pth'


@pytest.fixture
def tool(load_script):
    return load_script(ROOT / 'tools/deployment/export_torch.py')


def test_from_a_config_and_a_checkpoint_to_a_program(tool, call_script, files, tmp_path):
    out = tmp_path / 'out.pt2'
    code, printed = call_script(tool, *files, out)
    assert code == 0, printed.err
    lines = printed.out.splitlines()
    assert [line for line in lines if line.startswith(('1 x 256 x 256: ', '3 x 160 x 288: '))]
    assert lines[-1].startswith(f'{out}: ')
    extra = {METADATA: ''}
    program = torch.export.load(out, extra_files=extra).module()
    about = {name: json.loads(text) for name, text in json.loads(extra[METADATA]).items()}
    assert about['classes'] == ['cat', 'dog', 'cow'] and about['resize']['scale'] == [96, 64]
    assert list(program(torch.zeros(1, 3, 64, 96))) == ['boxes', 'scores', 'labels']


def test_mistakes_are_sentences(tool, call_script, files, tmp_path):
    def error(*args):
        code, printed = call_script(tool, *args)
        assert code == 2 and printed.err.count('\n') == 1
        return printed.err

    assert "checkpoint 'no.pth' does not exist" in error(files[0], 'no.pth', tmp_path / 'a.pt2')
    assert "there is no folder 'no'" in error(*files, 'no/a.pt2')
    assert 'are no multiples of 32' in error(*files, tmp_path / 'a', '--shape', '1', '64', '100')
