"""Files from strangers: whatever is in a checkpoint, no door runs it.

The scripts run in this process, which takes a tenth of the time of one of their own each.
"""

import pickle
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from centernet_plugin.apis import CenterNetInferencer
from centernet_plugin.compat.checkpoint import before_weights_only
from centernet_plugin.errors import UserInputError

sys.path.insert(0, str(Path(__file__).parents[1] / 'test_checkpoints'))
from program import Program  # noqa: E402

pytestmark = [
    pytest.mark.door,
    pytest.mark.skipif(before_weights_only(), reason='torch.load runs files before 2.6'),
]


@pytest.fixture
def evil(tmp_path, checkpoint):
    """A checkpoint that works, and runs a program when it is read carelessly."""
    content = torch.load(checkpoint, weights_only=False)
    content['meta']['hook'] = Program(tmp_path / 'ran')
    torch.save(content, tmp_path / 'evil.pth')
    return tmp_path / 'evil.pth'


def doors(config, image):
    train = ('train.py', config, '--work-dir', 'run')
    options = ('--cfg-options', 'train_cfg.max_epochs=2')
    return {
        'resume': lambda file: (*train, '--resume', file, *options),
        'load_from': lambda file: (*train, '--cfg-options', f'load_from={file}'),
        'backbone': lambda file: (
            *train,
            '--cfg-options',
            'model.backbone.init_cfg.type=Pretrained',
            f'model.backbone.init_cfg.checkpoint={file}',
        ),
        'test': lambda file: ('test.py', config, file),
        'infer': lambda file: ('infer.py', image, config, file, '--device', 'cpu'),
        'convert': lambda file: ('model_converters/official_to_plugin.py', file, 'out.pth'),
    }


@pytest.mark.parametrize('door', ['resume', 'load_from', 'backbone', 'test', 'infer', 'convert'])
def test_no_door_runs_what_is_in_a_checkpoint(call, config, evil, tmp_path, door):
    image = tmp_path / 'image.png'
    cv2.imwrite(str(image), np.zeros((64, 64, 3), np.uint8))
    code, errors = call(*doors(config, image)[door](evil))
    assert not (tmp_path / 'ran').exists()
    assert code == 2, errors
    lines = [line for line in errors.splitlines() if line.startswith('error: ')]
    assert len(lines) == 1 and 'mkdir' in lines[0], errors


def test_the_program_would_run(evil, tmp_path):
    """That the tests above would see it."""
    torch.load(evil, weights_only=False)
    assert (tmp_path / 'ran').exists()


def test_text_of_an_old_config_is_not_run(call, config, checkpoint, tmp_path):
    content = torch.load(checkpoint, weights_only=False)
    content['meta']['config'] = f'import os\nos.mkdir({str(tmp_path / "ran")!r})\n'
    torch.save(content, tmp_path / 'old.pth')
    options = ('--cfg-options', 'train_cfg.max_epochs=2')
    code, errors = call('train.py', config, '--work-dir', 'run', '--resume', 'old.pth', *options)
    assert code == 0, errors
    assert not (tmp_path / 'ran').exists()
    assert (tmp_path / 'run' / 'epoch_2.pth').is_file()


@pytest.mark.parametrize('with_config', [False, True])
def test_inferencer_does_not_run_the_config_in_a_checkpoint(
    config, checkpoint, tmp_path, with_config
):
    content = torch.load(checkpoint, weights_only=False)
    program = f'\nopen({str(tmp_path / "ran")!r}, "w").close()\n'
    content['meta']['cfg'] += program
    content['message_hub']['runtime_info']['cfg'] += program
    file = str(tmp_path / 'evil.pth')
    torch.save(content, file)
    if with_config:
        CenterNetInferencer(str(config), file, device='cpu')
    else:
        with pytest.raises(UserInputError, match='is a program, which is not run unasked'):
            CenterNetInferencer(weights=file, device='cpu')
    assert not (tmp_path / 'ran').exists()


def test_resuming_removes_no_file_that_a_checkpoint_names(call, write_config, checkpoint, tmp_path):
    precious = tmp_path / 'precious.txt'
    precious.write_text('mine')
    content = torch.load(checkpoint, weights_only=False)
    content['message_hub']['runtime_info'].update(best_ckpt=str(precious), best_score=-2.0)
    content['message_hub']['resumed_keys'].update(best_ckpt=True, best_score=True)
    torch.save(content, tmp_path / 'evil.pth')
    config = write_config(
        'best',
        "default_hooks.update(checkpoint=dict(type='centernet_plugin.CheckpointHook', interval=1, "
        "save_best='auto', rule='greater'))\ntrain_cfg.update(max_epochs=2)\n",
    )
    code, errors = call('train.py', config, '--work-dir', 'run', '--resume', 'evil.pth')
    assert code == 0, errors
    assert list((tmp_path / 'run').glob('best_*.pth'))
    assert precious.read_text() == 'mine'


def test_annotations_are_read_as_json(call, config, tmp_path):
    annotations = tmp_path / 'annotations.json'
    annotations.write_bytes(pickle.dumps(Program(tmp_path / 'ran')))
    option = f'train_dataloader.dataset.ann_file={annotations}'
    code, errors = call('train.py', config, '--work-dir', 'run', '--cfg-options', option)
    assert code == 2 and 'is not a COCO annotation file' in errors
    assert not (tmp_path / 'ran').exists()
