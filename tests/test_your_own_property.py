"""The example of docs/your_own_property.md: trains, flips, and is no stranger among the others."""

import importlib
import json
import re
import sys
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from comets import CLASSES, write_comets
from mmdet.registry import DATASETS, MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from tiny_kitti import make_kitti
from tiny_pose import write_tiny_pose

from centernet_plugin.datasets import KittiDataset
from centernet_plugin.datasets.transforms.boxes import warp_annotations
from centernet_plugin.datasets.transforms.fields import attach_fields
from centernet_plugin.models import CenterNetHead, CenterNetTTA
from centernet_plugin.visualization.visualizer import CenterNetVisualizer

DOCS = Path(__file__).resolve().parents[1] / 'docs'
EXAMPLES = DOCS / 'examples'
if str(EXAMPLES) not in sys.path:  # as PYTHONPATH=docs/examples
    sys.path.append(str(EXAMPLES))
importlib.import_module('velocity')  # before any data is made: it has the rule of its warps
VELOCITY = dict(type='velocity.VelocityBranch')
BOXES = [dict(type='centernet_plugin.SizeBranch'), dict(type='centernet_plugin.OffsetBranch')]
POSE = [
    dict(type='centernet_plugin.JointsBranch', num_joints=5, flip_pairs=[(1, 2), (3, 4)]),
    dict(type='centernet_plugin.JointHeatmapBranch', num_joints=5, flip_pairs=[(1, 2), (3, 4)]),
    dict(type='centernet_plugin.JointOffsetBranch'),
]
IN_SPACE = [
    dict(type=f'centernet_plugin.{name}Branch') for name in ('Depth', 'Dimension', 'Orientation')
]
META = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'cam2img')
LOAD = [
    dict(type='LoadImageFromFile'),
    dict(type='centernet_plugin.LoadAnnotations', with_bbox=True),
]
PACK = dict(type='centernet_plugin.PackDetInputs', meta_keys=META)


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmdet')


@pytest.fixture(scope='module')
def comets(tmp_path_factory):
    folder = tmp_path_factory.mktemp('comets')
    write_comets(folder)
    return folder


def example() -> Config:
    return Config.fromfile(EXAMPLES / 'velocity_config.py')


def comet_set(folder, *steps, **settings):
    """The training set of the example's config, through these steps between loading and packing."""
    dataset = deepcopy(example().train_dataloader.dataset)
    dataset.update(data_root=str(folder), pipeline=[*LOAD, *steps, PACK], **settings)
    return DATASETS.build(dataset)


def small(branches, classes=1, pixels=16) -> dict:
    """The demo's network with these branches, narrower."""
    model = deepcopy(example().model)
    model.backbone.base_channels = pixels
    model.neck.update(in_channels=8 * pixels, deconv_channels=(64, 32))
    model.bbox_head.update(
        num_classes=classes,
        in_channels=32,
        branches=[ConfigDict(branch) for branch in branches],
        init_rule='dla',  # properties near zero need more steps than a test has
    )
    return model


def build(config):
    torch.manual_seed(0)
    model = MODELS.build(config)
    model.init_weights()
    return model


def learn(model, samples, steps, rate=4e-3):
    """By heart; gives the losses of the last step."""
    inputs = model.data_preprocessor(pseudo_collate(samples), training=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.2)
    for _ in range(steps):
        losses = model(**inputs, mode='loss')
        optimizer.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 35)
        optimizer.step()
        schedule.step()
    model.eval()
    return losses


# The document


def test_document_shows_the_files_of_the_example():
    text = (DOCS / 'your_own_property.md').read_text()
    shown = re.findall(r'```python\n(.*?)```', text, re.DOTALL)
    assert (EXAMPLES / 'velocity.py').read_text() in shown
    assert (EXAMPLES / 'velocity_config.py').read_text() in shown


def test_module_has_less_than_60_lines():
    assert len((EXAMPLES / 'velocity.py').read_text().splitlines()) < 60


def test_config_differs_from_its_base_in_two_settings():
    name = re.search(r"_base_ = '(.+)'", (EXAMPLES / 'velocity_config.py').read_text())[1]
    ours, base = example().to_dict(), Config.fromfile(EXAMPLES / name).to_dict()
    del ours['boxes']  # a name of the file's own, not a setting
    assert sorted(differences(ours, base)) == [
        'model.bbox_head.branches',
        'train_dataloader.dataset.fields',
    ]


def differences(ours, theirs, prefix=''):
    for key in ours.keys() | theirs.keys():
        a, b = ours.get(key), theirs.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            yield from differences(a, b, f'{prefix}{key}.')
        elif a != b:
            yield prefix + key


def test_example_starts_from_the_branches_that_the_head_has_anyway():
    given = [branch['type'] for branch in example().model.bbox_head.branches]
    default = CenterNetHead(num_classes=1, in_channels=1).branches
    assert [name.split('.')[1] for name in given[:-1]] == [type(b).__name__ for b in default]


# Training


def test_learns_velocities_by_heart(comets):
    """In pixels of the images, which the input shows at 1.25 of their size; mirrored ones too.

    A wrong flip rule of training or testing would leave the average of the two near 0 in x.
    """
    resize = dict(type='mmdet.Resize', scale=(160, 160), keep_ratio=True)
    mirror = dict(type='mmdet.RandomFlip', prob=1.0)
    plain, mirrored = (
        [dataset[i] for i in range(4)]
        for dataset in (comet_set(comets, resize), comet_set(comets, resize, mirror))
    )
    model = build(small(example().model.bbox_head.branches, classes=3))
    losses = learn(model, plain + mirrored, 140)
    assert set(losses) == {'loss_heatmap', 'loss_size', 'loss_offset', 'loss_velocity'}
    truth = json.loads((comets / 'annotations/instances_train.json').read_text())['annotations']
    check_found(model.test_step(pseudo_collate(deepcopy(plain))), truth)
    views = pseudo_collate([{k: [v] for k, v in sample.items()} for sample in plain])
    check_found(CenterNetTTA(model).test_step(views), truth)


def check_found(samples, truth):
    """Every annotated comet is among the best two of its image, with its velocity."""
    errors, lengths = [], []
    for sample in samples:
        found = sample.pred_instances[:2]
        centers = (found.bboxes[:, :2] + found.bboxes[:, 2:]) / 2
        for comet in (c for c in truth if c['image_id'] == sample.img_id):
            box, velocity = np.array(comet['bbox']), comet['velocity']
            distance = (centers - torch.tensor(box[:2] + box[2:] / 2)).norm(dim=1)
            assert distance.min() < 3
            if velocity is not None:
                velocity = torch.tensor(velocity)
                errors.append((found.velocity[distance.argmin()] - velocity).norm())
                lengths.append(velocity.norm())
    assert len(errors) >= 5
    assert sum(errors) < 0.1 * sum(lengths)


def test_unknown_velocities_are_left_out():
    branch = MODELS.build(VELOCITY)
    head = CenterNetHead(num_classes=3, in_channels=1)
    boxes = torch.tensor([[8.0, 8, 40, 40], [60, 60, 100, 100]])
    gt = InstanceData(bboxes=boxes, labels=torch.tensor([0, 1]))
    gt.velocity = torch.tensor([[8.0, -4], [torch.nan, torch.nan]])
    maps = torch.zeros(1, 2, 32, 32, requires_grad=True)
    loss = branch.loss(maps, head.get_targets((32, 32), [gt]))
    loss.backward()
    assert loss.item() == pytest.approx(0.5 * (2 + 1 - 0.25) / 2, rel=1e-3)
    assert maps.grad.isfinite().all()
    assert maps.grad[0, :, 6, 6].ne(0).all() and maps.grad.ne(0).sum() == 2


# Flips: of training, and of testing


@pytest.mark.parametrize(
    'step',
    [
        dict(flip_prob=0.0),
        dict(flip_prob=1.0),
        dict(flip_prob=0.0, vertical_flip_prob=1.0),
        dict(flip_prob=1.0, resample='resize'),
        dict(flip_prob=1.0, rotate_prob=1.0, rotate=30.0),
    ],
    ids=['plain', 'mirrored', 'upside down', 'mirrored, resized', 'mirrored, turned'],
)
def test_velocity_is_warped_as_the_image_in_training(step):
    """It points from one small square to another before and after."""
    check_warp(
        dict(
            type='centernet_plugin.RandomCropAffine',
            size=(200, 200),
            scale_base='input',
            scales=(0.8, 1.2),
            **step,
        )
    )


@pytest.mark.parametrize('direction', ['horizontal', 'vertical', 'diagonal'])
def test_velocity_is_warped_by_transforms_of_mmdet(direction):
    check_warp(
        dict(type='mmdet.RandomFlip', prob=1.0, direction=direction),
        dict(type='mmdet.Resize', scale=(200, 100), keep_ratio=False),
    )


def check_warp(*steps):
    from_, to = np.array([60.0, 70]), np.array([85.0, 60])
    boxes = np.array([[*(p - 3), *(p + 3)] for p in (from_, to)], np.float32)
    results = dict(
        img=np.zeros((128, 128, 3), np.uint8),
        img_shape=(128, 128),
        gt_bboxes=boxes,
        gt_bboxes_labels=np.arange(2),
        gt_ignore_flags=np.zeros(2, bool),
    )
    attach_fields(results, dict(velocity=np.array([to - from_, [np.nan] * 2], np.float32)))
    np.random.seed(0)
    packed = Compose([*steps, dict(PACK, meta_keys=())])(results)['data_samples'].gt_instances
    assert packed.labels.tolist() == [0, 1], 'both squares are still there'
    tensor = getattr(packed.bboxes, 'tensor', packed.bboxes)
    centers = (tensor[:, :2] + tensor[:, 2:]) / 2
    torch.testing.assert_close(packed.velocity[0], centers[1] - centers[0], atol=1e-3, rtol=1e-4)
    assert packed.velocity[1].isnan().all()


def test_maps_of_the_mirror_image_merge_to_those_of_the_image():
    """Of a perfect network, with the annotations mirrored by the rule of the training."""
    head = MODELS.build(small([*BOXES, VELOCITY], classes=3).bbox_head)
    size, boxes = (24, 32), np.array([[9, 13, 50, 41], [70, 20, 99, 81]], np.float32)
    fields = dict(velocity=np.array([[12, -5], [-30, 1]], np.float32))
    mirror = np.array([[-1, 0, size[1] * 4 - 1], [0, 1, 0]], np.float64)
    maps = []
    for matrix in (np.eye(2, 3), mirror):
        results = dict(gt_bboxes=boxes)
        attach_fields(results, fields)
        warp_annotations(results, matrix)
        gt = InstanceData(bboxes=results['gt_bboxes'].tensor, labels=torch.tensor([0, 2]))
        gt.velocity = torch.tensor(results['gt_fields']['velocity'])
        targets = head.get_targets(size, [gt])
        branch_maps = {}
        for branch in head.branches:
            branch_maps[branch.name] = map_ = torch.zeros(1, 2, *size)
            x, y = targets.cells.T
            map_[0, :, y, x] = branch.target(targets).T
        maps.append(branch_maps)
    plain, mirrored = maps
    y, x = plain['size'][0, 0].nonzero().T  # where objects are
    assert plain['velocity'].count_nonzero() == 4
    for branch in head.branches:
        branch.flip_test = 'average'
        merged = branch.merge_flipped(plain[branch.name], mirrored[branch.name])
        torch.testing.assert_close(merged[..., y, x], plain[branch.name][..., y, x])


def test_activation_is_the_inverse_of_what_is_learnt():
    """The loss of a network that is right is 0, and what it is tested with is in image pixels."""
    head = MODELS.build(small([*BOXES, VELOCITY], classes=3).bbox_head)
    gt = InstanceData(bboxes=torch.tensor([[8.0, 8, 40, 40]]), labels=torch.tensor([1]))
    gt.velocity = torch.tensor([[30.0, -7]])  # pixels of the input
    maps = dict(
        heatmap=torch.full((1, 3, 16, 16), -9.0),
        size=torch.full((1, 2, 16, 16), 8.0),
        offset=torch.zeros(1, 2, 16, 16),
        velocity=(gt.velocity[0] / 4).asinh()[:, None, None].expand(1, 2, 16, 16),
    )
    maps['heatmap'][0, 1, 6, 6] = 9.0
    assert head.loss_by_feat((maps,), [gt], [{}])['loss_velocity'] < 1e-6
    meta = dict(img_shape=(64, 64), ori_shape=(32, 16), scale_factor=(4.0, 2.0))
    for rescale, expected in ((False, [30, -7]), (True, [7.5, -3.5])):
        (found,) = head.predict_by_feat((maps,), [meta], rescale=rescale)
        torch.testing.assert_close(found.velocity[0], torch.tensor(expected).float())


# Among other branches


def test_boxes_pose_and_velocity_in_one_model(tmp_path):
    data = write_tiny_pose(tmp_path, images=4, people=1)
    path = tmp_path / data['ann_file']
    content = json.loads(path.read_text())
    for i, ann in enumerate(content['annotations']):
        ann['velocity'] = [8.0, 4.0 * i]
    path.write_text(json.dumps(content))
    dataset = DATASETS.build(
        dict(
            type='centernet_plugin.CocoPoseDataset',
            fields=dict(velocity=(2,)),
            pipeline=[
                *LOAD,
                dict(type='centernet_plugin.RandomCropAffine', size=(128, 128), scales=(1.0,)),
                PACK,
            ],
            **data,
        )
    )
    samples = [dataset[i] for i in range(4)]
    check_together(samples, [*BOXES, *POSE, VELOCITY], keypoints=(5, 2), keypoint_scores=(5,))


def test_boxes_3d_and_velocity_in_one_model(tmp_path):
    make_kitti(tmp_path, 4)

    class MovingKitti(KittiDataset):
        def load_data_list(self):
            infos = super().load_data_list()
            for info in infos:
                info['fields']['velocity'] = (2,)
                for i, instance in enumerate(info['instances']):
                    instance['velocity'] = [3.0, float(i)]
            return infos

    warp = dict(type='centernet_plugin.RandomShiftScaleAffine', size=(320, 96), prob=0.0)
    dataset = MovingKitti(data_root=str(tmp_path), pipeline=[*LOAD, warp, PACK])
    check_together(
        [dataset[i] for i in range(4)],
        [*BOXES, *IN_SPACE, VELOCITY],
        depths=(),
        dimensions=(3,),
        alphas=(),
        locations=(3,),
        rotations_y=(),
    )


def check_together(samples, branches, **shapes):
    """All losses are there and fall, and every detection has all fields, mirrored tests too."""
    model = build(small(branches, classes=3, pixels=8))
    names = {'heatmap'} | {branch.name for branch in model.bbox_head.branches}
    before = learn(model.train(), samples, 1, rate=0.0)
    after = learn(model.train(), samples, 25)
    assert set(before) == set(after) == {f'loss_{name}' for name in names}
    assert all(loss.isfinite() and loss > 0 for loss in before.values())
    assert sum(after.values()) < sum(before.values())
    assert after['loss_velocity'] < before['loss_velocity']

    data = model.data_preprocessor(pseudo_collate(deepcopy(samples)), False)
    metas = [sample.metainfo for sample in data['data_samples']]
    with torch.no_grad():
        inputs = torch.cat([data['inputs'], data['inputs'].flip(-1)])
        maps = model.bbox_head(model.extract_feat(inputs), last_only=True)
    plain = [sample.pred_instances for sample in model.test_step(pseudo_collate(samples))]
    merged = model.bbox_head.predict_by_feat(maps, metas, rescale=True, flipped=True)
    shapes |= dict(scores=(), labels=(), bboxes=(4,), velocity=(2,))
    for found in (*plain, *merged):
        assert {k: tuple(v.shape[1:]) for k, v in found.items()} == shapes
        assert len(found) == 100 and all(value.isfinite().all() for value in found.values())


@pytest.mark.parametrize('kind', ['mmdet.DetLocalVisualizer', CenterNetVisualizer])
def test_pictures_do_not_mind_the_field(kind, tmp_path):
    from mmdet.registry import VISUALIZERS

    visualizer = VISUALIZERS.build(dict(type=kind, name=f'own {kind}'))
    visualizer.dataset_meta = dict(classes=CLASSES, palette=[(255, 0, 0)] * 3)
    sample = DetDataSample()
    sample.pred_instances = InstanceData(
        bboxes=torch.tensor([[8.0, 8, 40, 40], [3, 3, 9, 9]]),
        labels=torch.tensor([0, 2]),
        scores=torch.tensor([0.9, 0.1]),
        velocity=torch.tensor([[3.0, 4], [1, 1]]),
    )
    sample.gt_instances = sample.pred_instances.clone()
    image = np.zeros((64, 64, 3), np.uint8)
    visualizer.add_datasample(
        'a', image, sample, pred_score_thr=0.3, out_file=str(tmp_path / 'a.png')
    )
    assert (tmp_path / 'a.png').is_file()
