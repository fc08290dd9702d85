"""Boxes, classes, strides, shapes and types that nobody tried: finite losses, sound detections."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmengine.structures import InstanceData
from small_detectors import BRANCHES

from centernet_plugin.models import CenterNetHead

MANY = [pytest.param(60, id='quick'), pytest.param(2000, marks=pytest.mark.slow, id='many')]
NUMBERS = st.one_of(
    st.floats(-50, 700, width=32),
    st.sampled_from([0.0, -1e6, 1e6, 3e38, float('nan'), float('inf'), -float('inf'), 1e-30]),
)
SIDES = st.one_of(st.integers(1, 12), st.sampled_from([1, 2, 300]))


@st.composite
def cases(draw):
    """Settings of a head, raw maps of it, and annotations."""
    height = draw(SIDES)
    width = draw(SIDES.filter(lambda side: side * height < 2000))
    kind = draw(st.sampled_from(sorted(BRANCHES)))
    images, classes = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    counts = [draw(st.integers(0, 4)) for _ in range(images)]
    boxes = [draw(st.lists(st.lists(NUMBERS, min_size=4, max_size=4), min_size=n, max_size=n))
             for n in counts]  # fmt: skip
    types = st.sampled_from(['float32', 'float64', 'bfloat16', 'float16'])
    return dict(
        height=height,
        width=width,
        kind=kind,
        classes=classes,
        boxes=boxes,
        stride=draw(st.sampled_from([1, 2, 4, 8, 3])),
        crowd=draw(st.sampled_from(['object', 'ignore', 'gaussian', 'background'])),
        neighbours=draw(st.integers(0, 1)),
        rule=draw(st.sampled_from(['historical', 'corrected'])),
        types=draw(st.tuples(types, types)),
        scale=draw(st.sampled_from([0.0, 1.0, 30.0])),
        seed=draw(st.integers(0, 99)),
        flipped=draw(st.booleans()),
    )


def run(case):
    torch.manual_seed(case['seed'])
    maps_type, boxes_type = (getattr(torch, name) for name in case['types'])
    head = CenterNetHead(
        num_classes=case['classes'],
        in_channels=1,
        stride=case['stride'],
        radius_rule=case['rule'],
        branches=BRANCHES[case['kind']],
        train_cfg=dict(crowd=case['crowd'], neighbours=case['neighbours']),
        test_cfg=dict(topk=20, max_per_img=10),
    )
    size = case['height'], case['width']
    channels = {'heatmap': case['classes']} | {b.name: b.channels for b in head.branches}
    images = len(case['boxes'])
    maps = {
        name: (case['scale'] * torch.randn(images, n, *size)).to(maps_type).requires_grad_()
        for name, n in channels.items()
    }

    def instances(boxes):
        n = len(boxes)
        return InstanceData(
            bboxes=torch.tensor(boxes, dtype=torch.float64).view(-1, 4).to(boxes_type),
            labels=torch.randint(case['classes'], (n,)),
            keypoints=300 * torch.randn(n, 3, 2),
            depths=60 * torch.rand(n),
            dimensions=torch.rand(n, 3) * 4,
            alphas=6 * torch.rand(n) - 3,
        )

    annotated = [instances(boxes) for boxes in case['boxes']]
    losses = head.loss_by_feat((maps,), annotated, [{}] * images, annotated[::-1])
    assert all(loss.isfinite() and loss >= 0 for loss in losses.values()), losses
    gradients = torch.autograd.grad(sum(losses.values()), list(maps.values()), allow_unused=True)
    for name, gradient in zip(maps, gradients, strict=True):
        # Of depth it is e^-z times the loss's, beyond float16 from z = -11 on; a GradScaler skips
        # such a step.
        huge = name == 'depth' and maps_type == torch.float16
        if gradient is not None:
            assert not gradient.isnan().any() and (huge or gradient.isfinite().all()), name

    shape = tuple(case['stride'] * side for side in size)
    metas = [
        dict(img_shape=shape, ori_shape=(7, 900), scale_factor=(0.3, 2.0), border=(0, 9, 0, 9))
    ]
    metas[0]['cam2img'] = [[700.0, 0, 5, 1], [0, 700.0, 5, 1], [0, 0, 1, 0.1]]
    detached = {name: value.detach() for name, value in maps.items()}
    if case['flipped']:
        detached = {name: value[:1].repeat(2, 1, 1, 1) for name, value in detached.items()}
    else:
        metas = metas * images
    found = head.predict_by_feat((detached,), metas, rescale=True, flipped=case['flipped'])
    assert len(found) == len(metas)
    for result in found:
        assert len(result) <= 10
        assert ((result.scores >= 0) & (result.scores <= 1)).all()
        assert (result.scores.diff() <= 0).all()
        assert ((result.labels >= 0) & (result.labels < case['classes'])).all()
        boxes = result.bboxes
        assert (boxes[:, 2:] >= boxes[:, :2]).all()
        assert (boxes >= 0).all()
        for name, values in result.items():
            if values.is_floating_point():
                assert values.isfinite().all(), name


@pytest.mark.parametrize('count', MANY)
def test_head(tried, count):
    @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))
    @given(cases())
    def each(case):
        tried()
        run(case)

    each()
