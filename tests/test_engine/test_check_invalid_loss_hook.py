"""A loss that is not a number stops the training, with the names of its images."""

import json
import math

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.hooks import Hook
from tiny_training import BATCH, Record, make_runner, make_set

from centernet_plugin.engine.cli import explain
from centernet_plugin.engine.hooks.check_invalid_loss_hook import to_plain
from centernet_plugin.errors import UserInputError

CHECK = dict(invalid_loss=dict(type='centernet_plugin.CheckInvalidLossHook'))


class Poison(Hook):
    """Spoils the size branch before an iteration, counted from 0."""

    def __init__(self, iteration: int, value: float) -> None:
        self.iteration, self.value = iteration, value

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration:
            for name, parameter in runner.model.named_parameters():
                if '.size.' in name:
                    parameter.data.fill_(self.value)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return make_set(tmp_path_factory.mktemp('set'), images=6)


@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_stops_at_once_with_the_images(data, tmp_path, value):
    record = Record()
    by_iter = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1))
    runner = make_runner(
        data, tmp_path / 'run', record, Poison(4, value), default_hooks=CHECK | by_iter
    )
    with pytest.raises(UserInputError) as caught:
        runner.train()
    saved = sorted(path.name for path in tmp_path.glob('run/*.pth'))
    assert saved == [f'iter_{i}.pth' for i in (1, 2, 3, 4)]
    sentence = explain(caught.value)
    assert '(loss_size) in iteration 5, with the images' in sentence
    text = (tmp_path / 'run' / 'invalid_loss_iter_5.json').read_text()
    written = json.loads(text, parse_constant=pytest.fail)  # NaN is in no standard
    assert written['iteration'] == 5
    assert written['losses']['loss'] in ('nan', 'inf')
    assert sentence.startswith(f'the loss is {written["losses"]["loss"]} (')
    assert math.isfinite(written['losses']['loss_heatmap'])
    assert len(written['images']) == BATCH
    for image in written['images']:
        assert repr(image['img_path']) in sentence
        boxes, labels = (image['gt_instances'][name] for name in ('bboxes', 'labels'))
        assert len(boxes) == len(labels) and all(len(box) == 4 for box in boxes)
        assert image['img_shape'] == [64, 64]


def test_finite_losses_pass_and_wait_for_no_device(data, tmp_path):
    class NoValue(Hook):
        """Replaces losses by tensors without values, after they were fetched for the log."""

        priority = 'ABOVE_NORMAL'

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            for name in outputs:
                outputs[name] = torch.zeros((), device='meta')

    make_runner(data, tmp_path / 'run', NoValue(), epochs=1, default_hooks=CHECK).train()


def test_to_plain():
    value = dict(
        boxes=HorizontalBoxes(torch.ones(1, 4)), size=(2, 3), flag=None, thing=CHECK, odd=object
    )
    value |= dict(array=np.array([[1, np.nan]]), infinite=-math.inf)
    plain = to_plain(value)
    assert plain['boxes'] == [[1.0] * 4] and plain['size'] == [2, 3] and plain['flag'] is None
    assert 'object' in plain['odd']
    assert plain['array'] == [[1.0, 'nan']] and plain['infinite'] == '-inf'
    json.dumps(plain, allow_nan=False)
