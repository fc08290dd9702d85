"""What every branch gets: fields of the annotations, what is not known, normalisers."""

import pytest
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from centernet_plugin.errors import UserInputError
from centernet_plugin.models import Branch, CenterNetHead
from centernet_plugin.models.functional.grid import GridToImage
from centernet_plugin.models.functional.targets import build_targets

NAN = float('nan')


class Weights(Branch):
    """Of the field ``weights``, exponentiated."""

    def __init__(self, **settings):
        settings.setdefault('loss', dict(type='mmdet.L1Loss'))
        super().__init__(name='weights', channels=1, **settings)

    def activate(self, values: Tensor) -> Tensor:
        return values.exp()

    def decode(self, values, peaks, to_image):
        return dict(weights=values[..., 0])

    def flip(self, feature):
        return feature.flip(-1)


def targets_of(weights, **fields):
    count = len(weights)
    boxes = torch.tensor([[8.0 * i, 8.0, 8.0 * i + 16, 40.0] for i in range(count)]).view(-1, 4)
    instances = InstanceData(bboxes=boxes, labels=torch.zeros(count, dtype=torch.int64), **fields)
    instances.weights = torch.tensor(weights)
    return build_targets([instances], 1, (16, 16))


def test_values_that_are_not_known_have_no_weight():
    prediction = torch.zeros(1, 1, 16, 16, requires_grad=True)  # 1, activated
    loss = Weights().loss(prediction, targets_of([3.0, NAN, 7.0]))
    loss.backward()
    assert loss.item() == pytest.approx((2 + 6) / (2 + 1e-4))
    assert prediction.grad.isfinite().all() and (prediction.grad != 0).sum() == 2
    assert Weights().loss(prediction, targets_of([NAN, NAN])).item() == 0


@pytest.mark.parametrize('kind', ['mmdet.L1Loss', 'mmdet.SmoothL1Loss', 'mmdet.MSELoss'])
def test_gradients_are_finite_where_nothing_is_known(kind):
    prediction = torch.randn(1, 1, 16, 16, requires_grad=True)
    Weights(loss=dict(type=kind)).loss(prediction, targets_of([NAN, 2.0])).backward()
    assert prediction.grad.isfinite().all()


def test_rows_per_image_replace_the_number_of_samples():
    prediction, branch = torch.zeros(3, 1, 16, 16), Weights(rows_per_image=50)
    images = targets_of([3.0, NAN, 7.0]).batch_instances + targets_of([]).batch_instances * 2
    loss = branch.loss(prediction, build_targets(images, 1, (16, 16)))
    assert loss.item() == pytest.approx(8 / (3 * 50))
    assert branch.loss(prediction[:1], targets_of([])).item() == 0


def test_only_with_leaves_out_objects_that_lack_another_field():
    joints = torch.full((2, 4, 2), NAN)
    joints[1, 2] = 5
    prediction = torch.zeros(1, 1, 16, 16)
    loss = Weights(only_with='joints').loss(prediction, targets_of([3.0, 7.0], joints=joints))
    assert loss.item() == pytest.approx(6 / (1 + 1e-4))


def test_only_with_a_single_number():
    prediction = torch.zeros(1, 1, 16, 16)
    targets = targets_of([3.0, 7.0], depths=torch.tensor([NAN, 2.0]))
    loss = Weights(only_with='depths').loss(prediction, targets)
    assert loss.item() == pytest.approx(6 / (1 + 1e-4))
    assert Weights(only_with='weights').loss(prediction, targets_of([])).item() == 0


@pytest.mark.parametrize('count', [1, 2, 3, 4])
def test_a_field_of_another_shape_is_named(count):
    class Pairs(Weights):
        def __init__(self):
            Branch.__init__(self, name='weights', channels=2)

    targets = targets_of([3.0] * count)
    with pytest.raises(UserInputError, match=rf"'weights' has 2 channels.*\({count}, 1\) for"):
        Pairs().loss(torch.zeros(1, 2, 16, 16), targets)


def test_what_does_not_count_may_be_anything():
    prediction = torch.full((1, 1, 16, 16), 200.0)  # whose exponential is infinite
    targets = targets_of([3.0, NAN])
    x, y = targets.cells[0].tolist()
    prediction[0, 0, y, x] = 0
    targets.weight = torch.tensor([1.0, 0.0])
    for unknown in (3.0, NAN):
        targets.batch_instances[0].weights[1] = unknown
        maps = prediction.clone().requires_grad_()
        loss = Weights().loss(maps, targets)
        loss.backward()
        assert loss.item() == pytest.approx(2 / (1 + 1e-4)) and maps.grad.isfinite().all()
    targets.weight = torch.ones(2)
    maps = prediction.clone().requires_grad_()
    Weights().loss(maps, targets).backward()
    assert maps.grad.isfinite().all(), 'its value is not known'


@pytest.mark.parametrize('which', [0, 1])
def test_a_field_that_one_image_lacks_is_named(which):
    images = [
        InstanceData(bboxes=torch.ones(1, 4), labels=torch.zeros(1).long(), weights=torch.ones(1))
        for _ in range(2)
    ]
    del images[which].weights
    targets = build_targets(images, 1, (16, 16))
    with pytest.raises(UserInputError, match="no field 'weights'"):
        Weights().target(targets)
    # Another one is nobody's business.
    assert targets.field('labels').tolist() == [0, 0]


def test_two_branches_must_not_give_the_same():
    head = CenterNetHead(num_classes=1, in_channels=1)
    head.branches.extend([Weights(), Weights()])
    head.branches[-1].name = 'others'
    maps = {name: torch.zeros(1, 2, 4, 4) for name in ('size', 'offset', 'weights', 'others')}
    maps['heatmap'] = torch.zeros(1, 1, 4, 4)
    with pytest.raises(UserInputError, match=r"'others' of the head gives \['weights'\]"):
        head.predict_by_feat((maps,), [dict(img_shape=(16, 16))])


def test_lengths_know_the_scale_of_their_image():
    metas = [dict(scale_factor=(1.0, 1.0)), dict(scale_factor=(2.0, 4.0))]
    to_image = GridToImage.from_metas(metas, 4, True, torch.zeros(1))
    found = to_image.lengths(torch.ones(2, 2, 3, 2))
    assert (found[0] == 4).all()
    assert (found[1] == torch.tensor([2.0, 1.0])).all()


def test_a_field_that_is_missing_is_named():
    targets = targets_of([3.0])
    del targets.batch_instances[0].weights
    with pytest.raises(UserInputError, match="no field 'weights'.*fields="):
        Weights().loss(torch.zeros(1, 1, 16, 16), targets)


def test_maps_are_activated_before_they_are_averaged_and_read():
    head = CenterNetHead(num_classes=1, in_channels=1)
    head.branches.append(Weights())
    maps = dict(
        heatmap=torch.full((2, 1, 4, 4), -9.0), size=torch.ones(2, 2, 4, 4),
        offset=torch.zeros(2, 2, 4, 4), weights=torch.zeros(2, 1, 4, 4),
    )  # fmt: skip
    maps['heatmap'][0, 0, 1, 2] = maps['heatmap'][1, 0, 1, 1] = 5
    maps['weights'][0, 0, 1, 2], maps['weights'][1, 0, 1, 1] = 1.0, 2.0
    (plain, _) = head.predict_by_feat((maps,), [dict(img_shape=(16, 16))] * 2)
    assert plain.weights[0].item() == pytest.approx(torch.tensor(1.0).exp().item())
    (merged,) = head.predict_by_feat((maps,), [dict(img_shape=(16, 16))], flipped=True)
    expected = (torch.tensor(1.0).exp() + torch.tensor(2.0).exp()) / 2
    assert merged.weights[0].item() == pytest.approx(expected.item())


def test_adjust_sees_what_all_branches_decoded_whatever_their_order():
    class Doubled(Weights):
        def decode(self, values, peaks, to_image):
            return {}

        def adjust(self, fields, maps, to_image):
            fields['areas'] = (fields['bboxes'][..., 2:] - fields['bboxes'][..., :2]).prod(-1)
            assert maps['weights'].shape == (1, 1, 4, 4)

    head = CenterNetHead(num_classes=1, in_channels=1)
    head.branches.insert(0, Doubled())
    maps = dict(
        heatmap=torch.zeros(1, 1, 4, 4), size=torch.ones(1, 2, 4, 4),
        offset=torch.zeros(1, 2, 4, 4), weights=torch.zeros(1, 1, 4, 4),
    )  # fmt: skip
    (result,) = head.predict_by_feat((maps,), [dict(img_shape=(99, 99))])
    assert result.areas.shape == result.scores.shape
