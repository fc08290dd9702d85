import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from centernet_plugin.models import CenterNetHead, SizeBranch
from centernet_plugin.models.functional.targets import CenterTargets


def make_head(**kwargs):
    head = CenterNetHead(**(dict(num_classes=3, in_channels=4, feat_channels=8) | kwargs))
    head.init_weights()
    return head


def sample(boxes, labels, size=(64, 96), crowd=()):
    result = DetDataSample(
        metainfo=dict(img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0), pad_shape=size)
    )
    result.gt_instances = InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).view(-1, 4),
        labels=torch.tensor(labels).long(),
    )
    result.ignored_instances = InstanceData(
        bboxes=torch.tensor(crowd, dtype=torch.float32).view(-1, 4),
        labels=torch.zeros(len(crowd)).long(),
    )
    return result


def perfect_maps(head, samples, size):
    """Maps of a network that knows the answers."""
    targets = head.get_targets(size, [s.gt_instances for s in samples])
    count = len(samples)
    maps = dict(
        heatmap=torch.logit(targets.heatmap.dense().clamp(1e-4, 1 - 1e-4)),
        size=torch.zeros(count, 2, *size),
        offset=torch.zeros(count, 2, *size),
    )
    x, y = targets.cells.T
    maps['size'][targets.image, :, y, x] = targets.sizes
    maps['offset'][targets.image, :, y, x] = targets.centers - targets.cells
    return maps


def test_losses_with_and_without_objects():
    torch.manual_seed(0)
    head = make_head()
    feats = (torch.randn(2, 4, 16, 24),)
    full = head.loss(feats, [sample([[4, 4, 40, 50]], [1]), sample([], [])])
    assert set(full) == {'loss_heatmap', 'loss_size', 'loss_offset'}
    assert all(loss > 0 for loss in full.values())
    empty = head.loss(feats, [sample([], []), sample([], [])])
    assert empty['loss_size'] == 0 and empty['loss_offset'] == 0 and empty['loss_heatmap'] > 0
    sum(empty.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())


def test_losses_of_half_precision_maps_are_float32():
    maps = {
        name: torch.randn(1, channels, 16, 24).bfloat16()
        for name, channels in dict(heatmap=3, size=2, offset=2).items()
    }
    instances = [sample([[4, 4, 40, 50], [50, 10, 90, 33]], [1, 2]).gt_instances]
    losses = make_head().loss_by_feat((maps,), instances, [{}])
    as_float = {name: value.float() for name, value in maps.items()}
    expected = make_head().loss_by_feat((as_float,), instances, [{}])
    for name, loss in losses.items():
        assert loss.dtype == torch.float32 and loss == expected[name]


def test_losses_of_one_value_per_sample_are_weighed():
    """As those of boxes are; a sample without weight must not count."""

    class PerSample(torch.nn.Module):
        def forward(self, pred, target, reduction_override):
            return (pred - target).abs().sum(1)

    instances = [sample([[4, 4, 40, 50], [-90, -90, -60, -60], [9, 9, 20, 30]], [1, 2, 0])]
    targets = make_head().get_targets((16, 24), [s.gt_instances for s in instances])
    assert targets.weight.tolist() == [1, 0, 1]
    maps = torch.randn(1, 2, 16, 24)
    branch = SizeBranch(loss=dict(type='mmdet.L1Loss'))
    per_channel = branch.loss(maps, targets)
    branch.loss_module = PerSample()
    assert branch.loss(maps, targets).item() == pytest.approx(per_channel.item(), rel=1e-5)


def test_nan_boxes_do_not_reach_the_loss():
    nan = float('nan')
    losses = make_head().loss(
        (torch.randn(1, 4, 16, 24),), [sample([[nan, nan, nan, nan], [4, 4, 30, 30]], [0, 1])]
    )
    assert all(loss.isfinite() for loss in losses.values())


def test_stacks_are_averaged_and_the_last_is_tested():
    torch.manual_seed(0)
    head, feat = make_head(num_stacks=2), torch.randn(1, 4, 16, 24)
    samples = [sample([[4, 4, 40, 50]], [1])]
    maps = head((feat, feat))
    both = head.loss((feat, feat), samples)
    single = [head.loss_by_feat((m,), [samples[0].gt_instances], [{}]) for m in maps]
    for name in both:
        assert both[name].item() == pytest.approx(sum(s[name].item() for s in single) / 2, rel=1e-6)
    last = head.predict_by_feat((maps[1],), [samples[0].metainfo])
    first = head.heads[0]['size'][0].register_forward_hook(lambda *_: pytest.fail('not needed'))
    got = head.predict((feat, feat), samples)
    first.remove()
    assert torch.equal(got[0].bboxes, last[0].bboxes)
    with pytest.raises(ValueError, match='num_stacks=2 got 1'):
        head((feat,))


def test_encode_decode_round_trip():
    head = make_head(test_cfg=dict(max_per_img=5))
    samples = [sample([[4, 4, 40, 50], [50.5, 10.25, 80, 33]], [1, 2]), sample([[0, 0, 9, 9]], [0])]
    results = head.predict_by_feat(
        (perfect_maps(head, samples, (16, 24)),), [s.metainfo for s in samples]
    )
    for result, truth in zip(results, samples, strict=True):
        truth = truth.gt_instances
        found = result[result.scores > 0.5]
        order = found.labels.argsort()
        assert torch.equal(found.labels[order], truth.labels)
        assert torch.allclose(found.bboxes[order], truth.bboxes, atol=1e-4)


def test_border_and_scale_are_undone():
    head = make_head(test_cfg=dict(max_per_img=1))
    original = sample([[20, 16, 60, 40]], [1])
    placed = sample([[10 + 3, 8 + 5, 30 + 3, 20 + 5]], [1])  # halved, then moved by (3, 5)
    maps = perfect_maps(head, [placed], (16, 24))
    meta = dict(
        ori_shape=(100, 150), img_shape=(64, 96), scale_factor=(0.5, 0.5), border=[5, 55, 3, 78]
    )
    (result,) = head.predict_by_feat((maps,), [meta], rescale=True)
    assert torch.allclose(result.bboxes, original.gt_instances.bboxes, atol=1e-4)
    (result,) = head.predict_by_feat((maps,), [meta])
    assert torch.allclose(result.bboxes, torch.tensor([[10.0, 8, 30, 20]]), atol=1e-4)


def test_boxes_are_clipped_and_never_negative():
    maps = dict(
        heatmap=torch.zeros(1, 3, 4, 4),
        size=torch.full((1, 2, 4, 4), -3.0),
        offset=torch.zeros(1, 2, 4, 4),
    )
    meta = dict(ori_shape=(16, 16), img_shape=(16, 16), scale_factor=(1, 1))
    head = make_head()
    boxes = head.predict_by_feat((maps,), [meta])[0].bboxes
    assert (boxes[:, 2:] >= boxes[:, :2]).all()
    maps['size'] = torch.full((1, 2, 4, 4), 30.0)
    boxes = head.predict_by_feat((maps,), [meta])[0].bboxes
    assert boxes.min() == 0 and boxes.max() == 16
    unclipped = make_head(test_cfg=dict(clip=False)).predict_by_feat((maps,), [meta])[0].bboxes
    assert unclipped.min() < 0 and unclipped.max() > 16


def test_crowd_rules():
    maps = (
        dict(
            heatmap=torch.zeros(1, 3, 16, 24),
            size=torch.zeros(1, 2, 16, 24),
            offset=torch.zeros(1, 2, 16, 24),
        ),
    )
    data = sample([[4, 4, 40, 50]], [1], crowd=[[48, 8, 90, 60]])
    args = (maps, [data.gt_instances], [{}], [data.ignored_instances])
    losses = {
        rule: make_head(train_cfg=dict(crowd=rule)).loss_by_feat(*args)
        for rule in ('object', 'ignore', 'background')
    }
    assert losses['ignore']['loss_heatmap'] < losses['background']['loss_heatmap']
    both = data.gt_instances.cat([data.gt_instances, data.ignored_instances])
    as_object = make_head().loss_by_feat(maps, [both], [{}])
    assert losses['object']['loss_heatmap'] == as_object['loss_heatmap']
    assert losses['object']['loss_size'] == as_object['loss_size']


def test_published_l1(steps):
    case = steps('losses')
    for name in ('objects', 'empty'):
        pred = torch.from_numpy(case[f'{name}.pred']).requires_grad_()
        index = torch.from_numpy(case[f'{name}.index'])
        image = torch.arange(len(index))[:, None].expand_as(index).reshape(-1)
        index, width = index.reshape(-1), pred.shape[-1]
        targets = CenterTargets(
            heatmap=None, image=image,
            cells=torch.stack([index % width, index // width], 1), centers=None,
            sizes=torch.from_numpy(case[f'{name}.reg_target']).view(-1, 2),
            weight=torch.from_numpy(case[f'{name}.mask']).float().view(-1),
            objects=None, batch_instances=[], object_image=None, radii=None, max_radius=None,
        )  # fmt: skip
        loss = SizeBranch(loss=dict(type='mmdet.L1Loss')).loss(pred, targets)
        loss.backward()
        np.testing.assert_allclose(loss.item(), case[f'{name}.l1'], rtol=1e-6)
        np.testing.assert_allclose(pred.grad.numpy(), case[f'{name}.l1_grad'], atol=2e-6)


def test_published_decode(steps):
    case = steps('decode_detection')
    k = int(case['topk'])
    maps = dict(
        heatmap=torch.from_numpy(case['heatmap_logits']),
        size=torch.from_numpy(case['size']),
        offset=torch.from_numpy(case['offset']),
    )
    head = make_head(num_classes=6, stride=1, test_cfg=dict(max_per_img=k, clip=False))
    metas = [dict(img_shape=(24, 32))] * 2
    for result, expected in zip(
        head.predict_by_feat((maps,), metas), case['detections_x1y1x2y2_score_label'], strict=True
    ):
        rows = torch.cat([result.bboxes, result.scores[:, None], result.labels[:, None]], 1)
        np.testing.assert_allclose(rows.numpy(), expected, atol=1e-5)


def test_nms_is_an_option():
    """Two peaks of one class whose boxes overlap, and one of another class at the same place."""
    maps = dict(
        heatmap=torch.full((1, 3, 16, 24), -9.0),
        size=torch.full((1, 2, 16, 24), 8.0),
        offset=torch.zeros(1, 2, 16, 24),
    )
    for label, x, logit in ((0, 8, 3.0), (0, 10, 2.0), (1, 8, 1.0), (2, 20, 0.0)):
        maps['heatmap'][0, label, 8, x] = logit
    metas = [dict(img_shape=(64, 96))]

    def found(**test_cfg):
        head = make_head(test_cfg=dict(max_per_img=4, clip=False) | test_cfg)
        (result,) = head.predict_by_feat((maps,), metas)
        return result.labels.tolist(), result.scores

    labels, scores = found()
    assert labels == [0, 0, 1, 2]
    hard, kept = found(nms=dict(type='nms', iou_threshold=0.5))
    # IoU 6 / 10; the next best peak, one of the background, takes the free place.
    assert hard[:3] == [0, 1, 2] and len(hard) == 4 and kept[3] < 0.01
    soft, lowered = found(nms=dict(type='soft_nms', method='linear', iou_threshold=0.5))
    assert soft == [0, 1, 2, 0]
    np.testing.assert_allclose(lowered[3], scores[1] * (1 - 0.6), rtol=1e-5)
    assert len(found(nms=dict(type='nms', iou_threshold=0.5), score_thr=0.4)[0]) == 3
    assert found(nms=dict(type='nms', iou_threshold=0.5), max_per_img=1)[0] == [0]
    assert len(found(score_thr=scores[1].item())[0]) == 2, 'a score equal to the threshold stays'


@pytest.mark.parametrize('stride', [4, 8])
def test_flip_rules_mirror_the_maps(stride):
    """A mirrored image's targets, flipped back by each branch, are the image's own."""
    head, width = make_head(stride=stride), 96
    grid = (64 // stride, width // stride)
    # Boxes end a cell before the border, where targets are cut.
    plain = sample([[12, 6, 40, 50], [50.5, 10.25, 80, 33]], [1, 2])
    mirrored = sample(
        [
            [width - 1 - x2, y1, width - 1 - x1, y2]
            for x1, y1, x2, y2 in plain.gt_instances.bboxes.tolist()
        ],
        [1, 2],
    )
    a, b = (perfect_maps(head, [s], grid) for s in (plain, mirrored))
    targets = head.get_targets(grid, [plain.gt_instances])
    for branch in head.branches:
        flipped = branch.flip(b[branch.name])
        assert torch.allclose(targets.gather(flipped), targets.gather(a[branch.name]), atol=1e-5)


@pytest.mark.parametrize('rule', ['res', 'resdcn', 'dla', 'hourglass'])
def test_published_initialisation(rule):
    torch.manual_seed(0)
    head = make_head(init_rule=rule, in_channels=64, feat_channels=64)
    (stack,) = head.heads
    assert (stack['heatmap'][2].bias == -2.19).all()
    assert stack['heatmap'][2].weight.std() > 0.05
    first, _, last = stack['size']
    small = {'res': (False, True), 'resdcn': (True, True)}.get(rule, (False, False))
    assert (first.weight.std() < 0.002, last.weight.std() < 0.002) == small
    zero = {'res': (False, True), 'hourglass': (False, False)}.get(rule, (True, True))
    assert (bool((first.bias == 0).all()), bool((last.bias == 0).all())) == zero


def test_every_heatmap_begins_rare():
    joints = dict(type='centernet_plugin.JointHeatmapBranch', num_joints=2, name='hm_hp')
    head = make_head(branches=[dict(type='centernet_plugin.SizeBranch'), joints])
    for name, rare in (('heatmap', True), ('hm_hp', True), ('size', False)):
        assert (head.heads[0][name][2].bias == -2.19).all() == rare


def test_what_crowds_do_not_say_is_not_known():
    def instances(count, **fields):
        boxes, labels = torch.ones(count, 4), torch.zeros(count, dtype=torch.int64)
        return InstanceData(bboxes=boxes, labels=labels, **fields)

    head = make_head(train_cfg=dict(crowd='object'))
    images = [instances(2, ages=torch.ones(2)), instances(1, ages=torch.ones(1))]
    targets = head.get_targets((8, 8), images, [instances(1), instances(0)])
    ages = targets.object_field('ages')
    assert ages[[0, 1, 3]].tolist() == [1, 1, 1] and ages[2].isnan()


def test_wrong_options_are_named():
    with pytest.raises(ValueError, match='score_threshold'):
        make_head(test_cfg=dict(score_threshold=0.1))
    with pytest.raises(ValueError, match='init_rule'):
        make_head(init_rule='xavier')
    with pytest.raises(ValueError, match='branch names'):
        make_head(branches=[dict(type='centernet_plugin.SizeBranch')] * 2)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('clamp', [1e-4, None])
def test_autocast(dtype, clamp):
    """Losses within 1% of float32, finite gradients, finite detections, also of a wild network."""
    torch.manual_seed(0)
    loss = dict(type='centernet_plugin.HeatmapFocalLoss', clamp=clamp)
    head = make_head(num_classes=20, in_channels=16, feat_channels=32, loss_heatmap=loss)
    batch = [sample([[4, 4, 40, 50], [30, 20, 90, 60]], [1, 17]), sample([], [])]
    for spread in (1, 30):
        feats = (torch.randn(2, 16, 16, 24) * spread,)
        full = head.loss(feats, batch)
        with torch.autocast('cpu', dtype=dtype):
            half = head.loss(feats, batch)
            results = head.predict(feats, batch)
        for name, value in full.items():
            assert half[name].dtype == torch.float32
            assert half[name].item() == pytest.approx(value.item(), rel=0.01)
        head.zero_grad()
        sum(half.values()).backward()
        assert all(p.grad.isfinite().all() for p in head.parameters())
        for result in results:
            assert result.scores.dtype == torch.float32 and result.scores.isfinite().all()
            assert result.bboxes.isfinite().all()


def test_tiny_input():
    head = make_head()
    data = sample([[0, 0, 3, 3]], [1], size=(4, 4))
    feats = (torch.randn(1, 4, 1, 1),)
    assert all(loss.isfinite() for loss in head.loss(feats, [data]).values())
    assert len(head.predict(feats, [data])[0]) <= 3


def test_samples_without_ignored_instances():
    """The pipeline made none, or only for some of the images."""
    feats = (torch.randn(2, 4, 16, 24),)
    for without in ([0, 1], [1]):
        samples = [sample([[4, 4, 40, 50]], [1], crowd=[[48, 8, 90, 60]]) for _ in range(2)]
        for i in without:
            del samples[i].ignored_instances
        for rule in ('object', 'ignore', 'background'):
            losses = make_head(train_cfg=dict(crowd=rule)).loss(feats, samples)
            assert all(loss.isfinite() for loss in losses.values())


def test_published_defaults():
    head = make_head()
    assert (head.radius_rule, head.min_overlap) == ('historical', 0.7)
    weights = {b.name: b.loss_module.loss_weight for b in head.branches}
    assert weights == dict(size=0.1, offset=1.0)
    assert (head.loss_heatmap.clamp, head.loss_heatmap.alpha, head.loss_heatmap.beta) == (
        1e-4,
        2,
        4,
    )


def test_loss_of_a_branch_is_part_of_the_model():
    """What it has of parameters and buffers trains, moves and is saved with the head."""
    head = make_head()
    assert head.branches[0].loss_module in list(head.modules())


def test_initialising_again_changes_nothing():
    head = make_head()
    before = {name: value.clone() for name, value in head.state_dict().items()}
    head.init_weights()
    assert all(torch.equal(value, before[name]) for name, value in head.state_dict().items())


def test_flipped_maps_with_too_few_peaks():
    """What fills the list where there are no more peaks has the score 0, not less."""
    head = make_head(num_classes=1)
    maps = dict(
        heatmap=torch.zeros(2, 1, 2, 2), size=torch.ones(2, 2, 2, 2), offset=torch.ones(2, 2, 2, 2)
    )
    maps['heatmap'][..., 0, 0] = 1.0
    maps['heatmap'][1] = maps['heatmap'][1].flip(-1)
    (result,) = head.predict_by_feat((maps,), [dict(img_shape=(8, 8))], flipped=True)
    np.testing.assert_allclose(result.scores, [0.7310586, 0, 0, 0], atol=1e-6)


def test_unknown_flip_test_is_named():
    with pytest.raises(ValueError, match='flip_test'):
        SizeBranch(flip_test='mean')
