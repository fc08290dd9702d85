import copy

import cv2
import numpy as np
import pytest
import torch
from mmdet.models.detectors import SingleStageDetector
from mmdet.registry import TRANSFORMS
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from torch import nn

from centernet_plugin.errors import UserInputError
from centernet_plugin.models import Branch, CenterNetTTA
from centernet_plugin.models.functional.suppress import suppress
from centernet_plugin.registry import MODELS

KEYS = ('img_id', 'ori_shape', 'img_shape', 'scale_factor', 'border', 'flip')
NMS = dict(type='soft_nms', method='gaussian', sigma=0.5, min_score=1e-3, offset=1)
PACK = dict(type='mmdet.PackDetInputs', meta_keys=KEYS)


def make_model(num_stacks=1, test_cfg=(), **head):
    torch.manual_seed(0)
    config = dict(
        type='centernet_plugin.CenterNet',
        data_preprocessor=dict(
            type='mmdet.DetDataPreprocessor', mean=[100.0] * 3, std=[50.0] * 3, pad_size_divisor=32
        ),
        backbone=dict(type='mmdet.ResNet', depth=18, base_channels=8, stem_channels=8),
        neck=dict(
            type='centernet_plugin.CenterNetDeconvNeck',
            in_channels=64,
            deconv_channels=(16, 16, 16),
        ),
        bbox_head=dict(
            type='centernet_plugin.CenterNetHead',
            num_classes=3,
            in_channels=16,
            feat_channels=16,
            **head,
        ),
        test_cfg=dict(max_per_img=20, clip=False) | dict(test_cfg),
    )
    if num_stacks > 1:
        config['bbox_head'].update(num_stacks=num_stacks, in_channels=8)
        config['neck'] = None
        config['backbone'] = dict(
            type='centernet_plugin.HourglassNet',
            num_stacks=num_stacks,
            downsample_times=2,
            stage_channels=(8, 8, 8),
            stage_blocks=(1, 1, 1),
            feat_channel=8,
        )
    model = MODELS.build(config)
    with torch.no_grad():  # confident and different everywhere, so that mistakes show
        for name, parameter in model.bbox_head.named_parameters():
            if name.endswith('2.weight'):
                nn.init.normal_(parameter, std=0.2)
            if 'size.2.bias' in name:
                parameter.fill_(4.0)
    return model.eval().requires_grad_(False)


def photo(height=75, width=110, seed=0):
    image = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    return cv2.resize(image, (width, height))


def batch(images, *views):
    """What a data loader yields; each view is a transform."""
    augment = dict(type='TestTimeAug', transforms=[list(views), [PACK]])
    with DefaultScope.overwrite_default_scope('mmdet'):  # as a runner does
        augment = TRANSFORMS.build(augment)
    samples = [
        augment(dict(img=i, img_shape=i.shape[:2], ori_shape=i.shape[:2], img_id=n))
        for n, i in enumerate(images)
    ]
    return pseudo_collate(samples)


def pad(scale=1.0):
    return dict(type='centernet_plugin.KeepResPad', scale=scale)


def rows(sample):
    found = sample.pred_instances
    columns = found.bboxes, found.scores[:, None], found.labels[:, None]
    return torch.cat(columns, dim=1).numpy()


def test_one_view_without_flip_is_the_plain_test():
    model = make_model()
    (found,) = CenterNetTTA(model, flip=False).test_step(batch([photo()], pad()))
    single = {key: value[0] for key, value in batch([photo()], pad()).items()}
    (expected,) = model.test_step(single)
    np.testing.assert_array_equal(rows(found), rows(expected))
    assert len(rows(found)) == 20


@pytest.mark.parametrize('num_stacks', [1, 2])
def test_flip_averages_the_maps_of_the_last_stack(num_stacks):
    model = make_model(num_stacks)
    data = batch([photo()], pad())
    (found,) = CenterNetTTA(model).test_step(data)

    prepared = model.data_preprocessor({k: v[0] for k, v in data.items()}, False)
    inputs, samples = prepared['inputs'], prepared['data_samples']
    plain, mirrored = (model(x, mode='tensor')[-1] for x in (inputs, inputs.flip(-1)))
    heatmap = (plain['heatmap'].sigmoid() + mirrored['heatmap'].sigmoid().flip(-1)) / 2
    maps = dict(
        heatmap=heatmap.logit(),
        size=(plain['size'] + mirrored['size'].flip(-1)) / 2,
        offset=plain['offset'],
    )
    metas = [sample.metainfo for sample in samples]
    (expected,) = model.bbox_head.predict_by_feat((maps,), metas, rescale=True)
    np.testing.assert_allclose(found.pred_instances.bboxes, expected.bboxes, atol=1e-3)
    np.testing.assert_allclose(found.pred_instances.scores, expected.scores, atol=1e-5)
    assert found.pred_instances.labels.tolist() == expected.labels.tolist()


def test_a_flip_pair_is_one_batch(monkeypatch):
    model, shapes = make_model(), []
    extract = model.extract_feat

    def record(inputs):
        shapes.append(tuple(inputs.shape))
        return extract(inputs)

    monkeypatch.setattr(model, 'extract_feat', record)
    CenterNetTTA(model).test_step(batch([photo(), photo(seed=1)], pad(), pad(0.5)))
    assert shapes == [(4, 3, 96, 128), (4, 3, 64, 64)]


def test_offset_is_mirrored_on_demand():
    """Averaged with its mirror image's, the offset of a symmetric image is symmetric."""
    half = photo(64, 60)
    image = np.concatenate([half, half[:, ::-1]], axis=1)
    results = []
    for flip_test in ('plain', 'average'):
        branches = [
            dict(type='centernet_plugin.SizeBranch'),
            dict(type='centernet_plugin.OffsetBranch', flip_test=flip_test),
        ]
        model = make_model(branches=branches)
        results.append(CenterNetTTA(model).test_step(batch([image], pad()))[0])
    # Averaged, the detections of a symmetric image are symmetric about its middle pixel.
    mirror = results[1].pred_instances
    boxes = mirror.bboxes
    flipped = torch.stack([119 - boxes[:, 2], boxes[:, 1], 119 - boxes[:, 0], boxes[:, 3]], dim=1)
    distance = (boxes[:, None] - flipped).abs().amax(-1)  # (N, N)
    distance[mirror.labels[:, None] != mirror.labels] = 1e3
    assert distance.min(dim=1).values[:10].max() < 1e-3
    assert (rows(results[0])[:, :4] != rows(results[1])[:, :4]).any()
    np.testing.assert_allclose(rows(results[0])[:, 4:], rows(results[1])[:, 4:], atol=1e-6)


def test_scales_are_merged_per_class_and_cut():
    model = make_model()
    scales, images = (0.5, 1.0, 1.5), [photo(), photo(90, 64, seed=1)]
    found = CenterNetTTA(model, flip=False, nms=NMS).test_step(batch(images, *map(pad, scales)))
    whole = make_model(test_cfg=dict(max_per_img=100))
    assert [sample.img_id for sample in found] == [0, 1]
    for image, sample in zip(images, found, strict=True):
        alone = []
        for scale in scales:
            view = {key: value[0] for key, value in batch([image], pad(scale)).items()}
            alone.append(whole.test_step(view)[0].pred_instances)
        every = InstanceData.cat(alone)
        scores, index = suppress(every.bboxes, every.scores, every.labels, NMS)
        assert len(every) == 300 and not torch.equal(scores, every.scores[index])
        np.testing.assert_allclose(rows(sample)[:, :4], every.bboxes[index][:20], atol=1e-3)
        np.testing.assert_allclose(rows(sample)[:, 4], scores[:20], atol=1e-6)
        assert rows(sample)[:, 5].tolist() == every.labels[index][:20].tolist()


@pytest.mark.parametrize('nms', [NMS, None])
def test_of_every_scale_all_peaks_are_merged(nms):
    """``max_per_img`` cuts what is merged, not what goes into it; None merges by score alone."""
    few, many = make_model(), make_model()
    few.bbox_head.test_cfg['max_per_img'] = 5
    many.bbox_head.test_cfg['max_per_img'] = 1000
    data = batch([photo()], pad(0.5), pad(1.0), pad(1.5))
    found, expected = (rows(CenterNetTTA(m, nms=nms).test_step(data)[0]) for m in (few, many))
    assert (np.diff(expected[:, 4]) <= 0).all()
    np.testing.assert_array_equal(found, expected[:5])
    if nms is None:
        assert len(expected) == 300
        alone = [
            rows(CenterNetTTA(many).test_step(batch([photo()], pad(scale)))[0])
            for scale in (0.5, 1.0, 1.5)
        ]
        scores = np.sort(np.concatenate(alone)[:, 4])[::-1]
        np.testing.assert_allclose(expected[:, 4], scores, atol=1e-6)


def test_merged_sample_is_that_of_the_first_view():
    (found,) = CenterNetTTA(make_model()).test_step(batch([photo()], pad(0.5), pad(1.0)))
    assert found.scale_factor == (0.5, 0.5) and found.ori_shape == (75, 110)


def test_the_default_merge_is_the_published_one():
    assert CenterNetTTA(make_model()).nms == dict(
        type='soft_nms', method='gaussian', sigma=0.5, iou_threshold=0.5, min_score=0.001, offset=1
    )


def test_gradients_are_not_kept():
    model = make_model().requires_grad_(True)
    (found,) = CenterNetTTA(model).test_step(batch([photo()], pad()))
    assert not found.pred_instances.bboxes.requires_grad


def test_further_branches_come_along():
    """A property of another branch stays with its box, through flip and merging."""

    class DistanceBranch(Branch):
        def __init__(self):
            super().__init__(name='distance', channels=1, loss=dict(type='mmdet.L1Loss'))

        def target(self, targets):
            return targets.sizes[:, :1]

        def decode(self, values, peaks, to_image):
            return dict(distance=values[..., 0])

        def flip(self, feature):
            return feature.flip(-1)

    assert DistanceBranch().flip_test == 'average'
    branches = [
        dict(type='centernet_plugin.SizeBranch'),
        dict(type='centernet_plugin.OffsetBranch'),
        dict(type=DistanceBranch),
    ]
    model = make_model(branches=branches, test_cfg=dict(max_per_img=100))
    (found,) = CenterNetTTA(model).test_step(batch([photo()], pad(0.5), pad(1.0)))
    views = [CenterNetTTA(model).test_step(batch([photo()], pad(s)))[0] for s in (0.5, 1.0)]
    known = {
        tuple(box.tolist()): value.item()
        for view in views
        for box, value in zip(view.pred_instances.bboxes, view.pred_instances.distance, strict=True)
    }
    pairs = zip(found.pred_instances.bboxes, found.pred_instances.distance, strict=True)
    assert all(known[tuple(box.tolist())] == value.item() for box, value in pairs)


def test_batches_give_what_single_images_give():
    model = make_model()
    images = [photo(), photo(130, 64, seed=1), photo(seed=2)]  # two sizes
    tta = CenterNetTTA(model)
    together = tta.test_step(batch(images, pad(), pad(0.75)))
    for image, sample in zip(images, together, strict=True):
        (alone,) = tta.test_step(batch([image], pad(), pad(0.75)))
        np.testing.assert_allclose(rows(sample), rows(alone), atol=1e-4)


@pytest.mark.parametrize('flip', [False, True])
def test_nms_of_the_head_is_for_single_scales(flip):
    """Several scales are merged once, not suppressed before as well."""
    model = make_model()
    tta = CenterNetTTA(model, flip=flip, nms=None)
    before = [rows(s) for s in tta.test_step(batch([photo()], pad(), pad(0.5)))]
    single = rows(tta.test_step(batch([photo()], pad()))[0])
    model.bbox_head.test_cfg['nms'] = dict(type='nms', iou_threshold=0.1)
    after = [rows(s) for s in tta.test_step(batch([photo()], pad(), pad(0.5)))]
    np.testing.assert_array_equal(before, after)
    assert not np.array_equal(rows(tta.test_step(batch([photo()], pad()))[0]), single)


def test_a_mirrored_view_is_refused():
    """Also where it is one of several images."""
    views = batch([photo(), photo(seed=1)], dict(type='mmdet.RandomFlip', prob=1.0))
    views['data_samples'][0][0].set_metainfo(dict(flip=False))
    with pytest.raises(UserInputError, match='RandomFlip'):
        CenterNetTTA(make_model()).test_step(views)


def test_a_pipeline_without_views_is_named():
    single = {key: value[0] for key, value in batch([photo()], pad()).items()}
    with pytest.raises(UserInputError, match='TestTimeAug'):
        CenterNetTTA(make_model()).test_step(single)


def test_width_has_to_be_a_multiple_of_the_stride():
    model = make_model()
    model.data_preprocessor.pad_size_divisor = 1
    resize = dict(type='mmdet.Resize', scale=(118, 80), keep_ratio=False)
    with pytest.raises(UserInputError, match='118'):
        CenterNetTTA(model).test_step(batch([photo()], resize))
    CenterNetTTA(model, flip=False).test_step(batch([photo()], resize))


@pytest.mark.parametrize(
    'nms', [dict(type='fast'), dict(method='linear'), dict(type='nms'), dict(type='soft_nms', a=1)]
)
def test_unknown_nms_is_named_at_once(nms):
    with pytest.raises(UserInputError, match='nms'):
        CenterNetTTA(make_model(), nms=nms)
    with pytest.raises(UserInputError, match='nms'):
        make_model(test_cfg=dict(nms=nms))


def test_another_head_is_named():
    model = make_model()
    model.bbox_head = nn.Identity()
    with pytest.raises(UserInputError, match='Identity'):
        CenterNetTTA(model)


def test_any_single_stage_detector_with_our_head():
    model = make_model()
    stranger = copy.deepcopy(model)
    stranger.__class__ = SingleStageDetector
    data = batch([photo()], pad(), pad(0.5))
    (found,), (expected,) = (CenterNetTTA(m).test_step(data) for m in (stranger, model))
    np.testing.assert_array_equal(rows(found), rows(expected))
