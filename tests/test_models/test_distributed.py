"""Two processes train every network under DistributedDataParallel, no unused parameter allowed."""

import os
import time
import traceback

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from torch import distributed, multiprocessing

import centernet_plugin  # noqa: F401

DLA = dict(
    type='centernet_plugin.DLANet',
    arch=dict(levels=(1, 1, 1, 2, 2, 1), channels=(4, 4, 8, 8, 12, 12), block='basic'),
)
HOURGLASS = dict(
    type='centernet_plugin.HourglassNet',
    downsample_times=2,
    stage_channels=(8, 8, 8),
    stage_blocks=(1, 1, 1),
    feat_channel=8,
)
NETWORKS = {
    'dla': dict(
        backbone=DLA, neck=dict(type='centernet_plugin.DLAUp', in_channels=(8, 8, 12, 12))
    ),
    'plain dla': dict(
        backbone=DLA,
        neck=dict(
            type='centernet_plugin.DLAUp',
            in_channels=(8, 8, 12, 12),
            merge='concat',
            use_dcn=False,
            final_ida=False,
        ),
    ),
    'hourglass, 1 stack': dict(backbone=dict(HOURGLASS, num_stacks=1), stacks=1),
    'hourglass, 2 stacks': dict(backbone=dict(HOURGLASS, num_stacks=2), stacks=2),
    'resnet': dict(
        backbone=dict(type='mmdet.ResNet', depth=18, base_channels=8),
        neck=dict(
            type='centernet_plugin.CenterNetDeconvNeck',
            in_channels=64,
            deconv_channels=(8, 8, 8),
            use_dcn=True,
        ),
    ),
}  # fmt: skip


def build(backbone, neck=None, stacks=1):
    head = dict(
        type='centernet_plugin.CenterNetHead',
        num_classes=2,
        in_channels=8,
        feat_channels=4,
        num_stacks=stacks,
    )
    torch.manual_seed(0)
    model = MODELS.build(
        dict(type='centernet_plugin.CenterNet', backbone=backbone, neck=neck, bbox_head=head)
    )
    model.init_weights()
    return model


def batch(seed):
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    sample = DetDataSample(metainfo=dict(img_shape=(64, 64)))
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor([[8.0, 8, 40, 50]]), labels=torch.tensor([1])
    )
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
    return dict(inputs=images, data_samples=[sample, sample.clone()])


def train(rank, folder):
    torch.set_num_threads(1)
    distributed.init_process_group('gloo', f'file://{folder}/meet', rank=rank, world_size=2)
    report = ''
    for name, parts in NETWORKS.items():
        try:
            train_one(rank, parts)
        except (RuntimeError, AssertionError):
            report = f'{name}:\n{traceback.format_exc()}\n'
            break
    (folder / f'{rank}.txt').write_text(report or 'fine')
    for _ in range(300):  # 30 s; the other one may still be reading from this one
        if (folder / f'{1 - rank}.txt').exists():
            break
        time.sleep(0.1)
    os._exit(0)  # destroying a gloo group hung now and then, with both processes waiting


def train_one(rank, parts):
    model = MMDistributedDataParallel(build(**parts), device_ids=None)
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = OptimWrapper(torch.optim.Adam(model.parameters(), lr=1e-3))
    for step in range(3):  # an unused parameter is noticed in the second
        model.train_step(batch(2 * step + rank), optimizer)
    assert any((p != q).any() for p, q in zip(model.parameters(), before, strict=True))
    # What the processes learnt differs if a gradient was not shared.
    total = torch.stack([p.detach().double().abs().sum() for p in model.parameters()])
    both = [torch.empty_like(total) for _ in range(2)]
    distributed.all_gather(both, total)
    assert torch.equal(*both), 'the processes have drifted apart'


@pytest.mark.skipif(not distributed.is_available(), reason='torch without distributed')
def test_two_processes_without_unused_parameters(tmp_path):
    context = multiprocessing.spawn(train, (tmp_path,), nprocs=2, join=False)
    for _ in range(120):
        if context.join(timeout=1):
            break
    else:
        for process in context.processes:
            process.kill()
        pytest.fail('the processes did not end within 2 minutes')
    for rank in range(2):
        report = (tmp_path / f'{rank}.txt').read_text()
        assert report == 'fine', report
