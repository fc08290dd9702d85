"""From a checkpoint to an ONNX file to its AP, by the command lines."""

import pickle

import pytest

pytestmark = pytest.mark.door
for package in ('onnx', 'onnxscript', 'onnxruntime'):
    pytest.importorskip(package, reason="needs pip install -e '.[deploy]'")


def test_a_file_is_tested_as_its_checkpoint(call, config, checkpoint, tmp_path):
    code, said = call('deployment/export_onnx.py', config, checkpoint, 'out.onnx')
    assert code == 0, said
    code, said = call('deployment/test_onnx.py', config, 'out.onnx', '--out', 'onnx.pkl')
    assert code == 0, said
    code, said = call('test.py', config, checkpoint, '--out', 'torch.pkl')
    assert code == 0, said
    ours, theirs = (pickle.loads((tmp_path / f'{n}.pkl').read_bytes()) for n in ('onnx', 'torch'))
    assert len(ours) == len(theirs) == 4
    for one, other in zip(ours, theirs, strict=True):
        assert one['img_id'] == other['img_id']
        found, expected = one['pred_instances'], other['pred_instances']
        assert found.keys() == expected.keys()
        assert found['scores'].numpy() == pytest.approx(expected['scores'].numpy(), abs=1e-5)
        assert found['bboxes'].shape == expected['bboxes'].shape


def test_mistakes_are_sentences(call, config, checkpoint, tmp_path):
    assert call('deployment/test_onnx.py', config, 'no.onnx')[1].startswith("error: file 'no.onnx'")
    out = ['--out', 'found.json']
    code, said = call('deployment/test_onnx.py', config, checkpoint, *out)
    assert code == 2 and 'has to end with .pkl' in said
    code, said = call('deployment/test_onnx.py', config, checkpoint)
    assert code == 2 and f"'{checkpoint}' is no ONNX file" in said
