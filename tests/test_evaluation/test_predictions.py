"""Predictions out of a file: what mmdet writes comes out, programs are refused."""

import io
import pickle
import sys
from pathlib import Path

import mmengine
import numpy as np
import pytest
import torch
from mmdet.evaluation import DumpDetResults

from centernet_plugin.errors import UserInputError
from centernet_plugin.evaluation import read_predictions

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'test_checkpoints'))
from program import Program  # noqa: E402

BOXES = [[1.5, 2, 3, 4], [5, 6, 7, 8.25]]


def entry(**found):
    fields = dict(
        bboxes=torch.tensor(BOXES), scores=torch.tensor([0.5, 0.25]), labels=torch.tensor([2, 0])
    )
    return dict(img_id=7, pred_instances=fields | found)


def test_what_mmdet_writes_comes_out(tmp_path):
    path = tmp_path / 'predictions.pkl'
    metric = DumpDetResults(out_file_path=str(path))
    sample = entry(masks=np.zeros((2, 4, 4), bool))
    sample['pred_instances']['masks'] = torch.zeros(2, 4, 4, dtype=torch.bool)
    sample |= dict(
        ori_shape=(4, 4),
        border=np.array([1.0, 2, 3, 4], np.float32),
        scale_factor=(np.float64(0.5), 0.5),
        gt_instances=dict(labels=torch.ones(1)),
    )
    empty = dict(img_id='000005')
    empty['pred_instances'] = {k: v[:0] for k, v in entry()['pred_instances'].items()}
    metric.process({}, [sample, empty])
    metric.evaluate(2)
    first, second = read_predictions(path)
    assert (first['img_id'], second['img_id']) == (7, '000005')
    found = first['pred_instances']
    assert found['bboxes'].tolist() == BOXES and found['bboxes'].dtype == np.float32
    assert found['scores'].tolist() == [0.5, 0.25] and found['labels'].tolist() == [2, 0]
    assert first['border'].tolist() == [1, 2, 3, 4] and first['scale_factor'] == (0.5, 0.5)
    assert [len(v) for v in second['pred_instances'].values()] == [0, 0, 0]
    assert second['pred_instances']['bboxes'].shape == (0, 4)


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_of_pickle(tmp_path, protocol):
    path = tmp_path / 'p.pkl'
    arrays = {k: v.numpy() for k, v in entry()['pred_instances'].items()}
    content = [entry(), entry(**arrays), entry(**{k: v.tolist() for k, v in arrays.items()})]
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    for part in read_predictions(path):
        assert part['pred_instances']['bboxes'].tolist() == BOXES


class Storage:
    """A tensor's inner file with a program in it, which torch unpickles without a check."""

    def __init__(self, folder):
        self.file = io.BytesIO()
        torch.save(Program(folder), self.file, _use_new_zipfile_serialization=False)

    def __reduce__(self):
        return torch.storage._load_from_bytes, (self.file.getvalue(),)


class Lookup:
    """An attribute of something that is allowed."""

    def __init__(self, folder):
        pass

    def __reduce__(self):
        return getattr, (np.ndarray, 'tofile')


@pytest.mark.parametrize('protocol', [2, 4])
@pytest.mark.parametrize('kind', [Program, Storage, Lookup])
def test_programs_are_not_run(tmp_path, kind, protocol):
    path, folder = tmp_path / 'p.pkl', tmp_path / 'made'
    content = [entry(extra=kind(folder))]
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    with pytest.raises(UserInputError, match="'.*p.pkl' is") as caught:
        read_predictions(path)
    assert '\n' not in str(caught.value)
    assert not folder.exists()
    if kind is not Lookup:
        pickle.loads(path.read_bytes())
        assert folder.is_dir(), 'the sample does harm'


def test_the_refusal_names_what_was_asked_for(tmp_path):
    path = tmp_path / 'p.pkl'
    path.write_bytes(pickle.dumps([Program(tmp_path / 'made')]))
    with pytest.raises(UserInputError, match=r'it asks for \w+\.mkdir, which is a program'):
        read_predictions(path)


@pytest.mark.parametrize(
    ('content', 'sentence'),
    [
        ({'state_dict': {}}, 'holds a dict instead of a list of predictions'),
        ([], 'holds an empty list instead'),
        ([1], 'image 0 in .* has no pred_instances with bboxes, scores, labels'),
        ([entry(), dict(img_id=1)], 'image 1 in .* has no pred_instances'),
        ([entry(scores=torch.ones(3))], r'have the shapes \(2, 4\), \(3,\), \(2,\)'),
        ([entry(bboxes=torch.ones(2, 5))], r'have the shapes \(2, 5\)'),
        ([entry(labels=['cat', 'dog'])], 'labels of image 0 in .* are no numbers'),
    ],
)
def test_other_content(tmp_path, content, sentence):
    mmengine.dump(content, str(tmp_path / 'p.pkl'))
    with pytest.raises(UserInputError, match=sentence):
        read_predictions(tmp_path / 'p.pkl')


@pytest.mark.parametrize('data', [b'', b'not a pickle', b'\x80\x02]q\x00(}q\x01', b'PK\x03\x04zip'])
def test_damaged_files(tmp_path, data):
    (tmp_path / 'p.pkl').write_bytes(data)
    with pytest.raises(UserInputError, match='is no file of predictions, or is damaged'):
        read_predictions(tmp_path / 'p.pkl')


def test_no_file(tmp_path):
    with pytest.raises(UserInputError, match='cannot be read: No such file'):
        read_predictions(tmp_path / 'p.pkl')
    with pytest.raises(UserInputError, match='cannot be read: Is a directory'):
        read_predictions(tmp_path)
