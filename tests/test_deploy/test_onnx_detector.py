"""An exported file is a model to mmdet: its detections are those of the detector."""

import json

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample

for package in ('onnx', 'onnxscript', 'onnxruntime'):
    pytest.importorskip(package, reason="needs pip install -e '.[deploy]'")

from mmdet.registry import MODELS  # noqa: E402

from centernet_plugin.deploy.onnx_detector import OnnxDetector  # noqa: E402
from centernet_plugin.errors import UserInputError  # noqa: E402

P2 = [[90.0, 0, 40, 30], [0, 90.0, 30, 1], [0, 0, 1, 0.003]]


def batch(cameras: bool = True) -> dict:
    """An image padded at the left and top, and one that is scaled. Neither fills its input."""
    random = np.random.default_rng(0)
    metas = [
        dict(
            img_shape=(64, 96),
            ori_shape=(49, 71),
            scale_factor=(1.0, 1.0),
            border=np.array([7, 56, 12, 83]),
        ),
        dict(img_shape=(50, 70), ori_shape=(100, 140), scale_factor=(0.5, 0.5)),
    ]
    inputs = [
        torch.from_numpy(random.integers(256, size=(3, *m['img_shape']), dtype=np.uint8))
        for m in metas
    ]
    extra = dict(cam2img=P2) if cameras else {}
    samples = [DetDataSample(metainfo=dict(meta, **extra)) for meta in metas]
    return dict(inputs=inputs, data_samples=samples)


@pytest.mark.parametrize('cameras', [True, False])
@pytest.mark.parametrize(
    'changes',
    [
        dict(clip=True),
        dict(clip=False, score_thr=0.52, nms=dict(type='nms', iou_threshold=0.3), max_per_img=7),
    ],
    ids=['clipped', 'suppressed'],
)
def test_detections_are_the_detectors(exported, changes, cameras):
    made = exported('resnet-dcn', 'all', 1)
    model = MODELS.build(dict(type='centernet_plugin.OnnxDetector', file=str(made.path)))
    model.about |= changes
    with pytest.MonkeyPatch.context() as patch:
        for name, value in changes.items():
            patch.setitem(made.model.bbox_head.test_cfg, name, value)
        with torch.no_grad():
            expected = made.model.test_step(batch(cameras))
        found = model.test_step(batch(cameras))
    for ours, theirs in zip(found, expected, strict=True):
        ours, theirs = ours.pred_instances, theirs.pred_instances
        assert set(ours.keys()) == set(theirs.keys())
        assert ('locations' in ours) == cameras
        assert len(ours) == len(theirs) > 0
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-5)
        apart = np.append(theirs.scores[:-1] - theirs.scores[1:] > 1e-5, False)
        first = apart.argmin()
        assert first > 2  # as far as no two scores are close
        for name, value in theirs.items():
            assert ours[name][:first].numpy() == pytest.approx(
                value[:first].numpy(), rel=1e-3, abs=1e-2
            ), name


def test_what_is_refused(exported, tmp_path):
    import onnx

    made = exported('resnet-dcn', 'all', 1)
    model = onnx.load(made.path)
    for entry in list(model.metadata_props):
        if entry.key == 'outputs':
            model.metadata_props.remove(entry)
    onnx.save(model, tmp_path / 'maps.onnx')
    with pytest.raises(UserInputError, match='has no detections among its outputs'):
        OnnxDetector(str(tmp_path / 'maps.onnx'))
    with pytest.raises(NotImplementedError):
        OnnxDetector(str(made.path))([], [], mode='loss')
    assert json.loads(json.dumps(OnnxDetector(str(made.path)).about))['classes'] == ['a']
